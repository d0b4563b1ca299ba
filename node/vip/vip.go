// Package vip announces the cluster's virtual address in the mesh. tinc 1.0
// reads the subnets of its own node only when it starts: a SIGHUP does not make
// it tell the others of new ones. So the address is announced by a second,
// small tincd, a node of the mesh of its own that is connected to the machine's
// tincd alone, by loopback. Started, it announces; ended, in whatever way, it
// has withdrawn, and the mesh itself notices neither.
package vip

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
)

// Interface is the interface that has the address while it is announced here.
const Interface = "ingot-vip"

// Suffix makes the name of the announcing node out of the machine's own. Names
// of nodes have no capitals, so no node is called so.
const Suffix = "_VIP"

// firstWeight is the weight of the first controller's claim, as identities have
// it on systems where tincd announces the address itself. Lower wins among
// those that can be reached (tinc.conf(5), "Subnet").
const firstWeight = 10

// maxTimeout is how many seconds the announcing tincd lets pass at most between
// attempts to reach the machine's own.
const maxTimeout = 5

// Settings are what the announcing tincd is told.
type Settings struct {
	Name    string // of the machine in tinc
	Rank    int    // of the controller, from 0
	Address netip.Addr
	Port    int    // of the machine's tincd
	MTU     int    // of the mesh
	Key     string // path of the machine's private key, which it shares
	Host    []byte // the machine's own host file, for its public key
}

// Files are the files of its folder, by their paths there. Scripts are those
// that tincd runs.
func (s Settings) Files() (files map[string]string, scripts []string, err error) {
	block, err := publicKey(s.Host)
	if err != nil {
		return nil, nil, err
	}
	if !s.Address.IsValid() || s.Port <= 0 || s.MTU <= 0 || s.Name == "" {
		return nil, nil, errors.New("the facts lack the virtual address, or the mesh's name, port or MTU")
	}
	nodad := ""
	if s.Address.Is6() {
		nodad = " nodad" // nobody else is on that link
	}
	self := s.Name + Suffix
	return map[string]string{
		// TCPOnly: others send what is for the address to the machine's tincd.
		"tinc.conf": fmt.Sprintf("Name = %s\nMode = router\nDevice = /dev/net/tun\nInterface = %s\nPrivateKeyFile = %s\n"+
			"AddressFamily = ipv4\nBindToAddress = 127.0.0.1 0\nTCPOnly = yes\nConnectTo = %s\nMaxTimeout = %d\nPingInterval = 10\nPingTimeout = 5\n",
			self, Interface, s.Key, s.Name, maxTimeout),
		"tinc-up": fmt.Sprintf("#!/bin/sh\nset -e\nip link set \"$INTERFACE\" mtu %d up\nip address replace %s dev \"$INTERFACE\"%s\n",
			s.MTU, netip.PrefixFrom(s.Address, s.Address.BitLen()), nodad),
		filepath.Join("hosts", s.Name): fmt.Sprintf("Address = 127.0.0.1 %d\n%s", s.Port, block),
		filepath.Join("hosts", self): fmt.Sprintf("Subnet = %s#%d\n%s",
			netip.PrefixFrom(s.Address, s.Address.BitLen()), firstWeight+s.Rank, block),
	}, []string{"tinc-up"}, nil
}

// publicKey is the key of a host file, as a PEM block.
func publicKey(host []byte) (string, error) {
	for block, rest := pem.Decode(host); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "RSA PUBLIC KEY" {
			return string(pem.EncodeToMemory(block)), nil
		}
	}
	return "", errors.New("the node's host file of tinc has no public key")
}

// How often in a row a controller's kube-apiserver must be found ready, or not,
// before that counts.
const (
	toEnter = 2
	toLeave = 3
)

// Judge decides by the last answers of kube-apiserver whether the address is to
// be here. The zero value begins away.
type Judge struct {
	here bool
	row  int // answers in a row against what is
}

// Next takes one more answer, and says whether the address is to be here.
func (j *Judge) Next(ready bool) bool {
	if ready == j.here {
		j.row = 0
		return j.here
	}
	j.row++
	if j.here && j.row >= toLeave || !j.here && j.row >= toEnter {
		j.here, j.row = ready, 0
	}
	return j.here
}
