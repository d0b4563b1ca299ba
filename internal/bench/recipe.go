package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
)

// recipeNodes carries out, for n nodes, what config ISO recipes of 2017 did
// for a controller: key, request and certificate by the openssl command for
// three purposes, then an ISO by genisoimage.
func recipeNodes(ctx context.Context, dir string, n int) (time.Duration, error) {
	drive := filepath.Join(dir, "drive", "openstack", "latest")
	if err := os.MkdirAll(drive, 0o700); err != nil {
		return 0, err
	}
	exec := func(argv ...string) error { return run.Exec{}.Run(ctx, run.Command{Argv: argv, Dir: dir}) }
	if err := exec("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", "/CN=ca"); err != nil {
		return 0, err
	}
	start := time.Now()
	for i := range n {
		var userData []byte
		for _, purpose := range []string{"apiserver", "etcd", "kubelet"} {
			steps := [][]string{
				{"openssl", "genrsa", "-out", "node.key", "2048"},
				{"openssl", "req", "-new", "-key", "node.key", "-out", "node.csr", "-subj", fmt.Sprintf("/CN=%s-%d", purpose, i)},
				{"openssl", "x509", "-req", "-in", "node.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "node.crt", "-days", "365"},
			}
			for _, argv := range steps {
				if err := exec(argv...); err != nil {
					return 0, err
				}
			}
			for _, name := range []string{"node.key", "node.crt"} {
				part, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					return 0, err
				}
				userData = append(userData, part...)
			}
		}
		if err := os.WriteFile(filepath.Join(drive, "user_data"), userData, 0o600); err != nil {
			return 0, err
		}
		if err := exec("genisoimage", "-quiet", "-R", "-V", "config-2", "-o", "config.iso", "drive"); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}
