package builder

var phpPackages = []string{
	"apache2", "libapache2-mod-php8.2", "php8.2-cli", "php8.2-opcache", "php8.2-mbstring", "php8.2-xml",
	"php8.2-curl", "php8.2-zip", "php8.2-sqlite3", "php8.2-mysql", "php8.2-pgsql", "php8.2-bcmath", "tzdata",
}

func phpLayers(_, _ string) []string { return nil }
