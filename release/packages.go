package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// formats are the kinds of packages, by their file name extension.
var formats = []string{"deb", "rpm", "apk"}

// packages writes a package of each format.
func (r *release) packages(p platform, binary string, g *generated, out string) error {
	dir, err := os.MkdirTemp("", "wirepost-package")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	page, err := compressed(g.page)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"wirepost.1.gz": page, "bash": g.bash, "zsh": g.zsh, "fish": g.fish} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	for _, format := range formats {
		err := r.scripts(format, dir)
		if err == nil {
			err = r.pack(format, p, binary, dir, out)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
	}
	return nil
}

// scripts are those that run before and after an installation or removal; the first begins
// with what all formats do. Alpine has the first two.
var scripts = []string{"postinst", "prerm", "postrm"}

// scripts writes the scripts of a format to a directory. Packages of Alpine keep the times
// of the files.
func (r *release) scripts(format, dir string) error {
	for i, name := range scripts {
		if format == "apk" && name == "postrm" {
			continue
		}
		parts := []string{filepath.Join(format, name)}
		if i == 0 {
			parts = append([]string{"setup.sh"}, parts...)
		}
		var script []byte
		for _, part := range parts {
			data, err := os.ReadFile(filepath.Join(r.root, "deploy/package", part))
			if err != nil {
				return err
			}
			script = append(script, data...)
		}
		path := filepath.Join(dir, format+"."+name)
		if err := os.WriteFile(path, script, 0o755); err != nil {
			return err
		}
		if err := os.Chtimes(path, r.time, r.time); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) pack(format string, p platform, binary, dir, out string) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(r.info(format, p, binary, dir))
	if format == "apk" { // whose versions have no dots there, and only some words
		info.Prerelease = strings.NewReplacer(".", "", "dev", "pre").Replace(info.Prerelease)
	}
	path := filepath.Join(out, packager.ConventionalFileName(info))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = packager.Package(info, f)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// info describes a package.
func (r *release) info(format string, p platform, binary, dir string) *nfpm.Info {
	info := &nfpm.Info{
		Name: "wirepost", Arch: p.arch, Platform: "linux", Version: r.version, Release: "1",
		Section: "net", Priority: "optional", License: "Apache-2.0",
		Maintainer:  "Wirepost <wirepost@users.noreply.github.com>",
		Homepage:    "https://github.com/wirepost/wirepost",
		Description: "Push server for WebSocket clients\nWirepost pushes messages from a backend to its users over WebSocket, and\nstores them for users that are offline.",
		MTime:       r.time,
	}
	info.Contents = r.contents(format, binary, dir)
	// The umask is of the files whose mode is not given, which is none.
	info.Umask = 0o022
	script := func(name string) string { return filepath.Join(dir, format+"."+name) }
	info.Scripts = nfpm.Scripts{PostInstall: script("postinst"), PreRemove: script("prerm"), PostRemove: script("postrm")}
	switch format {
	case "deb":
		info.Depends, info.Recommends = []string{"passwd"}, []string{"ca-certificates"}
	case "rpm":
		info.Depends, info.Recommends = []string{"shadow-utils"}, []string{"ca-certificates"}
		info.RPM.BuildHost, info.RPM.Summary = "localhost", "Push server for WebSocket clients"
	case "apk":
		info.Scripts.PostRemove = ""
		info.APK.Scripts.PostUpgrade = info.Scripts.PostInstall
	}
	return info
}

// contents lists the files of a package.
func (r *release) contents(format, binary, dir string) (list files.Contents) {
	add := func(kind, source, destination string, mode os.FileMode) {
		list = append(list, &files.Content{
			Source: source, Destination: destination, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
		})
	}
	own := func(name string) string { return filepath.Join(r.root, "deploy/package", name) }
	add(files.TypeFile, binary, "/usr/bin/wirepost", 0o755)
	add(files.TypeDir, "", "/etc/wirepost", 0o750)
	add(files.TypeDir, "", "/usr/share/doc/wirepost", 0o755)
	add(files.TypeConfigNoReplace, own("wirepost.yaml"), "/etc/wirepost/wirepost.yaml", 0o640)
	zsh := "/usr/share/zsh/site-functions/_wirepost"
	switch format {
	case "apk":
		add(files.TypeFile, own("wirepost.openrc"), "/etc/init.d/wirepost", 0o755)
	case "deb":
		zsh = "/usr/share/zsh/vendor-completions/_wirepost"
		add(files.TypeFile, own("copyright"), "/usr/share/doc/wirepost/copyright", 0o644)
		fallthrough
	default:
		add(files.TypeFile, own("wirepost.service"), "/usr/lib/systemd/system/wirepost.service", 0o644)
	}
	add(files.TypeFile, filepath.Join(dir, "bash"), "/usr/share/bash-completion/completions/wirepost", 0o644)
	add(files.TypeFile, filepath.Join(dir, "zsh"), zsh, 0o644)
	add(files.TypeFile, filepath.Join(dir, "fish"), "/usr/share/fish/vendor_completions.d/wirepost.fish", 0o644)
	add(files.TypeFile, filepath.Join(dir, "wirepost.1.gz"), "/usr/share/man/man1/wirepost.1.gz", 0o644)
	for _, name := range []string{"LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md"} {
		add(files.TypeFile, filepath.Join(r.root, name), "/usr/share/doc/wirepost/"+name, 0o644)
	}
	return list
}

func compressed(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}
