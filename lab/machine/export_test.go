package machine

// ProbeImage is the firmware that the probe runs.
var ProbeImage = probeImage

// ShortSockets makes paths of sockets short.
var ShortSockets = shortSockets
