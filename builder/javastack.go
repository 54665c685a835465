package builder

var javaBuildPackages = []string{"openjdk-17-jdk-headless", "maven"}

func javaBuildLayers(_, _ string) []string { return nil }
