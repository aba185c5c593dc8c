package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

const matricesFolder = "matrices"

// matricesSuites are where the driver comes from, the one that is preferred last.
var matricesSuites = []string{"trixie", "trixie-backports"}

// unpackMatrices puts a lavapipe with cooperative matrices, which came with Mesa 26, into a folder with everything that it
// needs, the C library included: no older system's is new enough.
func (c *checker) unpackMatrices() (string, error) {
	if id, _ := release(); id != "debian" || runtime.GOARCH != "amd64" {
		return "only for Debian on amd64", nil
	}
	folder := filepath.Join(c.cache, matricesFolder)
	if version, err := os.ReadFile(filepath.Join(folder, "version")); err == nil {
		return "there: Mesa " + strings.TrimSpace(string(version)), nil
	}
	var version string
	err := c.place(matricesFolder, func(folder, scratch string) error {
		debs, err := c.downloadAll(scratch, matricesSuites, "mesa-vulkan-drivers", "libvulkan1")
		if err != nil {
			return err
		}
		const libraries = "/usr/lib/x86_64-linux-gnu"
		var names []string
		for _, deb := range debs {
			if after, ok := strings.CutPrefix(filepath.Base(deb), "mesa-vulkan-drivers_"); ok {
				version, _, _ = strings.Cut(after, "-")
			}
			n, err := c.unpack(deb, folder, func(p string) string {
				switch base := path.Base(p); {
				case path.Dir(p) == libraries && strings.Contains(base, ".so"):
					return base
				case strings.HasPrefix(p, "/usr/share/vulkan/icd.d/lvp_icd"):
					return "lvp_icd.json"
				}
				return ""
			})
			if err != nil {
				return err
			}
			names = append(names, n...)
		}
		if err := contains(names, "lvp_icd.json", "libvulkan_lvp.so", "libvulkan.so.1", loader); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(folder, loader), 0o755); err != nil {
			return err
		}
		file := filepath.Join(folder, "lvp_icd.json")
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if text, err = manifest(text, "ICD", "libvulkan_lvp.so"); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, "version"), []byte(version+"\n"), 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("unpack Mesa of %s: %w", strings.Join(matricesSuites, ", "), err)
	}
	return "unpacked lavapipe of Mesa " + version + " into " + folder, nil
}

// loader starts a program with the libraries of a folder.
const loader = "ld-linux-x86-64.so.2"

// matricesStart begins a command that runs a program with the libraries of that folder.
func (c *checker) matricesStart() []string {
	folder := filepath.Join(c.cache, matricesFolder)
	return []string{filepath.Join(folder, loader), "--library-path", folder}
}

// matricesDriver is that driver, under the newer validation layer, as Debian 12's does not know of cooperative matrices.
func (c *checker) matricesDriver() driver {
	folder := filepath.Join(c.cache, matricesFolder)
	icd := filepath.Join(folder, "lvp_icd.json")
	d := driver{name: "matrices", env: []string{"VK_ICD_FILENAMES=" + icd, "VK_DRIVER_FILES=" + icd, "VK_LAYER_PATH=" + c.tools.layer, "VKLSTM_REQUIRE_MATRICES=1"}}
	switch {
	case !exists(filepath.Join(folder, "version")):
		d.absent = "no lavapipe with cooperative matrices is in " + folder
	case c.tools.layer == "":
		d.absent = "no newer validation layer is in " + c.cache
	}
	return d
}

// matrices runs the tests of float16 products on a driver that has cooperative matrices.
func (c *checker) matrices() result {
	d := c.matricesDriver()
	if d.absent != "" {
		return result{absent: d.absent}
	}
	return c.suite(d, []string{"./gpu/kernel", "./model/vulkan"}, "-exec", strings.Join(c.matricesStart(), " "), "-run", "Half|Mixed|^TestGolden$/mixed")
}
