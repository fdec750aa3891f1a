package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill writes the software bill of materials of a binary, in the format CycloneDX: the
// modules that the compiler has recorded in it.
func (r *release) bill(p platform, binary, out string) error {
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return err
	}
	name := fmt.Sprintf("wirepost_%s_%s_%s.cdx.json", r.number(), p.os, p.arch)
	f, err := os.Create(filepath.Join(out, name))
	if err != nil {
		return err
	}
	err = cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(r.billOf(info, data, name))
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func (r *release) billOf(info *buildinfo.BuildInfo, binary []byte, name string) *cdx.BOM {
	sum := sha256.Sum256(binary)
	program := cdx.Component{
		BOMRef: "wirepost", Type: cdx.ComponentTypeApplication, Name: "wirepost", Version: r.version,
		PackageURL: "pkg:golang/" + info.Main.Path + "@" + r.version,
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
	}
	parts := []cdx.Component{{
		BOMRef: "go", Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
		PackageURL: "pkg:golang/std@" + info.GoVersion,
	}}
	refs := []string{"go"}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		ref := "pkg:golang/" + m.Path + "@" + m.Version
		parts = append(parts, cdx.Component{
			BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: ref,
			Properties: &[]cdx.Property{{Name: "go:sum", Value: m.Sum}},
		})
		refs = append(refs, ref)
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = serial(name, sum)
	bom.Metadata = &cdx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &program}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: "wirepost", Dependencies: &refs}}
	return bom
}

// serial returns a UUID of version 8 that depends on the binary alone.
func serial(name string, sum [32]byte) string {
	id := sha256.Sum256(append([]byte(name), sum[:]...))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}
