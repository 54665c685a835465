package builder

import "runtime"

// Node comes from the npm registry where no container registry answers: a
// package there carries the very program. Debian's npm fetches it, and checks
// it against the registry's checksum.

// nodeStages fetches node and the npm that goes with it.
func nodeStages(prefix, version string) []string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	npm := map[string]string{"18": "10", "20": "10", "22": "10"}[version]
	if npm == "" {
		npm = "11"
	}
	return []string{
		"FROM " + prefix + "base AS fetch",
		"ARG AS_OF",
		installing(prefix, "npm"),
		"ENV NODE_EXTRA_CA_CERTS=/" + bundlePath,
		"WORKDIR /fetched",
		"RUN npm pack --silent node-linux-" + arch + "@" + version + " && tar -xzf node-linux-*.tgz && mv package/bin/node . && rm -r package && \\\n" +
			"    npm pack --silent npm@" + npm + " && tar -xzf npm-*.tgz && mv package npm && rm *.tgz",
		"",
	}
}

// nodeOver makes the official images as those of packages are: where apps run
// there is node alone, and yarn comes by the lock file's version, which npm
// refuses to install beside another one.
func nodeOver(o official) []string {
	const yarn = "/opt/yarn-* /usr/local/bin/yarn /usr/local/bin/yarnpkg"
	if o.build {
		return []string{nodeBuildEnv, "RUN rm -rf " + yarn}
	}
	return []string{
		"RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack " + yarn,
		"ENV NODE_ENV=production",
	}
}

func nodeLayers(_, _ string) []string {
	return []string{
		"COPY --from=fetch /fetched/node /usr/local/bin/node",
		"ENV NODE_ENV=production",
	}
}

const nodeBuildEnv = "ENV NODE_EXTRA_CA_CERTS=/" + bundlePath + " npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false"

func nodeBuildLayers(_, _ string) []string {
	return []string{
		"COPY --from=fetch /fetched/node /usr/local/bin/node",
		"COPY --from=fetch /fetched/npm /usr/local/lib/node_modules/npm",
		nodeBuildEnv,
		"RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx",
	}
}
