package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// template bakes what [world.bake] does.
const template = `
packer {
  required_plugins {
    ingot = {
      source  = "github.com/ingot-k8s/ingot"
      version = ">= 0.0.0"
    }
  }
}
source "ingot-image" "measured" {
  cluster          = %q
  output_directory = %q
  formats          = ["raw"]
  offline          = true
}
build {
  sources = ["source.ingot-image.measured"]
}
`

// packed measures what Packer adds to a warm bake.
func packed(ctx context.Context, w *world, t *table) error {
	if w.packer == "" {
		t.say("\nwhat Packer adds is not measured: -packer names none\n")
		return nil
	}
	t.head("warm bake, nothing changed", "by Packer", "ingot images")
	env := []string{
		"CHECKPOINT_DISABLE=1", "XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config"), "PACKER_CONFIG_DIR=" + filepath.Join(w.dir, "config"),
		"PACKER_PLUGIN_PATH=" + filepath.Join(w.dir, "plugins"),
	}
	install := []string{w.packer, "plugins", "install", "--path", w.plugin, "github.com/ingot-k8s/ingot"}
	if _, err := measure(ctx, command{argv: install, dir: w.dir, env: env}); err != nil {
		return err
	}
	file := filepath.Join(w.dir, "measured.pkr.hcl")
	if err := os.WriteFile(file, fmt.Appendf(nil, template, w.folder(), w.images()), 0o644); err != nil {
		return err
	}
	// The bill of materials is another one in each: the plugin may be of another version.
	if _, err := measure(ctx, command{argv: []string{w.packer, "build", file}, dir: w.dir, env: env}); err != nil {
		return err
	}
	busy := load()
	var packer, ingot []figures
	for range w.fast {
		f, err := w.bake(ctx, "")
		if err != nil {
			return err
		}
		ingot = append(ingot, f)
		if err := os.RemoveAll(w.images()); err != nil {
			return err
		}
		if f, err = measure(ctx, command{argv: []string{w.packer, "build", file}, dir: w.dir, env: env}); err != nil {
			return err
		}
		packer = append(packer, f)
	}
	a, b := median(packer), median(ingot)
	t.row("to a sealed raw image", a, b, b.wall.Seconds()/a.wall.Seconds(), busy, "")
	t.alone("Packer adds", fmt.Sprintf("%.2f s (cpu %.2f)", (a.wall-b.wall).Seconds(), (a.cpu-b.cpu).Seconds()), "under 2 s")
	return nil
}
