// Package packerplugin is Ingot as a plugin of Packer. The packages below it
// are adapters: they turn what a template says into the values of the packages
// that do the work, and are the only ones that know Packer's SDK.
package packerplugin

import (
	"regexp"

	"github.com/hashicorp/packer-plugin-sdk/plugin"
	"github.com/hashicorp/packer-plugin-sdk/version"
	"github.com/ingot-k8s/ingot/internal/packerplugin/component"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/internal/packerplugin/destination"
	"github.com/ingot-k8s/ingot/internal/packerplugin/format"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
	"github.com/ingot-k8s/ingot/internal/packerplugin/post"
)

// Version is the release of ingot, set by the linker; "dev" for a plain go build.
var Version = "dev"

// Set has every component, by the name that follows "ingot-" in a template.
func Set() *plugin.Set {
	set := plugin.NewSet()
	set.SetVersion(version.NewRawVersion(release(Version)))
	set.RegisterBuilder("image", &image.Builder{Version: Version})
	set.RegisterDatasource("cluster", new(definition.Source))
	for _, name := range append(component.Names(), component.All) {
		set.RegisterProvisioner(name, &component.Provisioner{Name: name, Version: Version})
	}
	set.RegisterProvisioner(component.CleanName, new(component.Cleaner))
	for _, f := range format.Formats() {
		set.RegisterPostProcessor(format.Name(f), format.New(f))
	}
	for _, p := range []*post.Processor{destination.DigitalOcean(), destination.VSphere(Version)} {
		set.RegisterPostProcessor(p.Name, p)
	}
	return set
}

var released = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)`)

// release is the version as Packer takes it from a plugin: three numbers. One
// with a pre-release is not installed by all versions of Packer, so what is
// built between two releases goes by the older one, and before the first by
// 0.0.0.
func release(version string) string {
	if m := released.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return "0.0.0"
}
