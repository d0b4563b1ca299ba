package ignition

// Envelope gives the files that a tool writes by itself.
func Envelope(id *Identity, inline bool) ([]File, error) {
	bundle, err := id.Bundle()
	if err != nil {
		return nil, err
	}
	if inline {
		return id.envelope(bundle).without(fetchPath).files, nil
	}
	return id.envelope(bundle).without(bundlePath).files, nil
}

// EnvFile writes settings for systemd and shells.
var EnvFile = envFile

// NetworkFiles are the settings of a static network.
var NetworkFiles = networkFiles
