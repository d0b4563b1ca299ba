package machine

// ProbeImage is the firmware that the probe runs.
var ProbeImage = probeImage
