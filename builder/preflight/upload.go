package preflight

import "strings"

// UploadName is the name under which an image is given to a target, which may
// look at its end. DigitalOcean's documentation calls a raw disk .img, and has
// .gz and .bz2 behind it when it is compressed ("Custom Images": file format).
func UploadName(target, name string) string {
	if target != "digitalocean" {
		return name
	}
	for _, end := range []string{".raw", ".raw.gz", ".raw.bz2"} {
		if stem, is := strings.CutSuffix(name, end); is {
			return stem + strings.Replace(end, ".raw", ".img", 1)
		}
	}
	return name
}
