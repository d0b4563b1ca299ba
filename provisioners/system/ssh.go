package system

import (
	_ "embed" // unit
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

const sshConfigPath = "/usr/lib/ingot/ssh/sshd_config"

// hostKeyTypes are the types of a machine's own keys, which it makes when it
// first starts sshd. They stay over boots, in the writable side of /etc.
var hostKeyTypes = []string{"ed25519", "ecdsa"}

//go:embed ingot-ssh-key.service
var sshKeyUnit string

// addSSH adds sshd where the definition has keys that may log in.
func addSSH(l *layer.Layer, c *cluster.Cluster) {
	if len(c.Def.Access.SSHKeys) == 0 {
		return
	}
	l.Packages = append(l.Packages, "openssh-server")
	if c.Def.Access.User != "root" {
		l.Packages = append(l.Packages, "sudo") // the identity has the rule
	}
	var keys []string
	for _, kind := range hostKeyTypes {
		keys = append(keys, "ingot-ssh-key@"+kind+".service")
	}
	wants := strings.Join(keys, " ")
	l.Files = append(l.Files, file(sshConfigPath, sshConfig(c)))
	l.Units = append(l.Units,
		layer.Unit{Name: "ingot-ssh-key@.service", Content: sshKeyUnit},
		layer.Unit{
			Name: "ssh.service", WantedBy: []string{"multi-user.target"},
			DropIns: map[string]string{"50-ingot.conf": "[Unit]\nWants=" + wants + "\nAfter=" + wants + `

[Service]
EnvironmentFile=
ExecStartPre=
ExecStart=
ExecStart=/usr/sbin/sshd -D -f ` + sshConfigPath + `
ExecReload=
ExecReload=/usr/sbin/sshd -t -f ` + sshConfigPath + `
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartPreventExitStatus=
RestartSec=2
# Whoever comes to look at a busy machine gets in.
CPUWeight=500
`},
		},
		layer.Unit{Name: "ssh.socket", Masked: true},
	)
	if c.Def.Image.Debian >= 13 {
		l.Units = append(l.Units, layer.Unit{Name: "sshd-keygen.service", Masked: true}) // makes an RSA key as well
	}
	l.Listeners = append(l.Listeners, layer.Listener{
		Program: "sshd", Address: "all", Port: 22, Proto: "tcp", Purpose: "SSH, with the keys of access.sshKeys", On: "all nodes",
	})
}

// sshConfig is sshd's configuration (sshd_config(5)). The first value counts,
// so files in /etc/ssh/sshd_config.d add to it and take nothing back.
//
// Forwarding of connections is on, because a node with a public address is how
// one gets to those without (ssh -J); of everything else, it is off.
func sshConfig(c *cluster.Cluster) string {
	kex := "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org"
	if c.Def.Image.Debian >= 13 { // OpenSSH 9.9
		kex = "mlkem768x25519-sha256," + kex
	}
	root := "no"
	if c.Def.Access.User == "root" {
		root = "prohibit-password"
	}
	var b strings.Builder
	b.WriteString("Port 22\n")
	for _, kind := range hostKeyTypes {
		b.WriteString("HostKey /etc/ssh/ssh_host_" + kind + "_key\n")
	}
	b.WriteString("AllowUsers " + c.Def.Access.User + "\nPermitRootLogin " + root + `
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
PermitEmptyPasswords no
UsePAM yes
StrictModes yes
MaxAuthTries 4
MaxStartups 10:30:60
LoginGraceTime 120
ClientAliveInterval 60
ClientAliveCountMax 3
AllowTcpForwarding local
AllowStreamLocalForwarding no
AllowAgentForwarding no
GatewayPorts no
X11Forwarding no
PermitTunnel no
PermitUserEnvironment no
PrintMotd no
UseDNS no
LogLevel VERBOSE
KexAlgorithms ` + kex + `
Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com
MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com
HostKeyAlgorithms ssh-ed25519,ecdsa-sha2-nistp256
RequiredRSASize 2048
Subsystem sftp internal-sftp
Include /etc/ssh/sshd_config.d/*.conf
`)
	return b.String()
}
