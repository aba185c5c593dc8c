package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// tools is what the machine has for the steps; what it lacks is empty.
type tools struct {
	lavapipe    string // the driver's manifest
	radv        string // AMD's driver's manifest: it compiles for GPUs that are not there
	libraries   string // the folder with the libraries that these two need, where they are not the system's
	swiftshader string // the driver's manifest
	layer       string // the folder of the newer validation layer
	python      string // the judges' interpreter
	glslang     bool
	spirvVal    bool
}

// driver is a Vulkan device to run tests on.
type driver struct {
	name, about string
	env         []string
	absent      string // why it cannot be used
}

const (
	mesaFolder  = "mesa"
	swiftFolder = "swiftshader"
)

// mesaDrivers are the drivers that unpackMesa keeps: the library of each, and how its manifest's name begins.
var mesaDrivers = []struct{ library, manifest string }{{"libvulkan_lvp.so", "lvp_icd"}, {"libvulkan_radeon.so", "radeon_icd"}}

// unpackMesa puts a current lavapipe, and RADV, beside the system's: Debian 12 has Mesa 22.3.6, whose lavapipe is five times
// as slow as that of the 25.0.7 of its backports, and whose RADV knows no newer GPU than its first try at RDNA 3. It needs
// only a newer libdrm besides. Later Debians have it themselves.
func (c *checker) unpackMesa() (string, error) {
	id, codename := release()
	if id != "debian" || codename != "bookworm" {
		return "the system's own", nil
	}
	folder := filepath.Join(c.cache, mesaFolder)
	if version, err := os.ReadFile(filepath.Join(folder, "version")); err == nil && exists(filepath.Join(folder, "radeon_icd.json")) {
		return "there: Mesa " + strings.TrimSpace(string(version)), nil
	}
	var version string
	err := c.place(mesaFolder, func(folder, scratch string) error {
		const suite = "bookworm-backports"
		debs, err := c.download(scratch, suite, "mesa-vulkan-drivers/"+suite, "libdrm2/"+suite, "libdrm-amdgpu1/"+suite)
		if err != nil {
			return err
		}
		var names []string
		for _, deb := range debs {
			if strings.HasPrefix(filepath.Base(deb), "mesa-vulkan-drivers_") {
				version, _, _ = strings.Cut(strings.TrimPrefix(filepath.Base(deb), "mesa-vulkan-drivers_"), "-")
			}
			n, err := c.unpack(deb, folder, func(p string) string {
				base := path.Base(p)
				for _, d := range mesaDrivers {
					if base == d.library {
						return base
					}
					if strings.HasPrefix(p, "/usr/share/vulkan/icd.d/"+d.manifest) {
						return d.manifest + ".json"
					}
				}
				if strings.HasPrefix(base, "libdrm.so.") || strings.HasPrefix(base, "libdrm_amdgpu.so.") {
					return base
				}
				return ""
			})
			if err != nil {
				return err
			}
			names = append(names, n...)
		}
		for _, d := range mesaDrivers {
			if err := contains(names, d.manifest+".json", d.library); err != nil {
				return err
			}
			file := filepath.Join(folder, d.manifest+".json")
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if text, err = manifest(text, "ICD", d.library); err != nil {
				return err
			}
			if err := os.WriteFile(file, text, 0o644); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(folder, "version"), []byte(version+"\n"), 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("unpack Mesa of bookworm-backports: %w", err)
	}
	return "unpacked lavapipe and RADV of Mesa " + version + " into " + filepath.Join(c.cache, mesaFolder), nil
}

// unpackSwiftShader takes SwiftShader, and the newer validation layer beside it, out of chromium-common. No browser is
// installed.
func (c *checker) unpackSwiftShader() (string, error) {
	folder := filepath.Join(c.cache, swiftFolder)
	if exists(filepath.Join(folder, "version")) {
		return "there", nil
	}
	var version string
	err := c.place(swiftFolder, func(folder, scratch string) error {
		debs, err := c.download(scratch, "", "chromium-common")
		if err != nil {
			return err
		}
		if len(debs) != 1 {
			return fmt.Errorf("apt-get fetched %d packages for chromium-common", len(debs))
		}
		version, _, _ = strings.Cut(strings.TrimPrefix(filepath.Base(debs[0]), "chromium-common_"), "-")
		names, err := c.unpack(debs[0], folder, func(p string) string {
			switch base := path.Base(p); base {
			case "libvk_swiftshader.so", "vk_swiftshader_icd.json", "libVkLayer_khronos_validation.so":
				return base
			}
			return ""
		})
		if err != nil {
			return err
		}
		if err := contains(names, "libvk_swiftshader.so", "vk_swiftshader_icd.json"); err != nil {
			return err
		}
		const layer = `{"file_format_version": "1.2.0", "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL",
 "library_path": "./libVkLayer_khronos_validation.so", "api_version": "1.4.0", "implementation_version": "1",
 "description": "Khronos Validation Layer",
 "instance_extensions": [{"name": "VK_EXT_debug_utils", "spec_version": "2"}, {"name": "VK_EXT_validation_features", "spec_version": "6"},
  {"name": "VK_EXT_layer_settings", "spec_version": "2"}]}}
`
		if err := os.WriteFile(filepath.Join(folder, "VkLayer_khronos_validation.json"), []byte(layer), 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, "version"), []byte(version+"\n"), 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("unpack SwiftShader: %w", err)
	}
	return "unpacked SwiftShader of Chromium " + version + " into " + folder, nil
}

// locate looks for what the steps need: first where -setup puts it, then in the system.
func (c *checker) locate() tools {
	t := tools{glslang: found("glslangValidator"), spirvVal: found("spirv-val")}
	if mesa := filepath.Join(c.cache, mesaFolder); exists(filepath.Join(mesa, "version")) {
		t.lavapipe, t.libraries = filepath.Join(mesa, "lvp_icd.json"), mesa
		if radv := filepath.Join(mesa, "radeon_icd.json"); exists(radv) {
			t.radv = radv
		}
	} else {
		t.lavapipe, t.radv = systemDriver("lvp_icd*.json"), systemDriver("radeon_icd*.json")
	}
	if swift := filepath.Join(c.cache, swiftFolder); exists(filepath.Join(swift, "version")) {
		t.swiftshader = filepath.Join(swift, "vk_swiftshader_icd.json")
		if exists(filepath.Join(swift, "libVkLayer_khronos_validation.so")) {
			t.layer = swift
		}
	}
	t.python = os.Getenv("VKLSTM_PYTHON")
	if venv := c.venv(); exists(filepath.Join(venv, "ready")) {
		t.python = venvPython(venv)
	}
	return t
}

// systemDriver is the manifest of a driver that the system has; "" where it has none.
func systemDriver(pattern string) string {
	for _, dir := range []string{"/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"} {
		if files, _ := filepath.Glob(filepath.Join(dir, pattern)); len(files) > 0 {
			return files[0]
		}
	}
	return ""
}

// pinned is the environment that leaves Vulkan's loader one of Mesa's drivers.
func (c *checker) pinned(manifest string) []string {
	env := []string{"VK_ICD_FILENAMES=" + manifest, "VK_DRIVER_FILES=" + manifest}
	if c.tools.libraries != "" {
		path := c.tools.libraries
		if old := os.Getenv("LD_LIBRARY_PATH"); old != "" {
			path += ":" + old
		}
		env = append(env, "LD_LIBRARY_PATH="+path)
	}
	return env
}

// drivers are the four devices that Vulkan's tests run on. A driver is pinned by its manifest, so that a GPU of this
// machine takes no part.
func (c *checker) drivers() []driver {
	var list []driver
	for _, subgroup := range []int{4, 8, 16} {
		d := driver{name: fmt.Sprintf("lavapipe%d", subgroup), about: fmt.Sprintf("lavapipe with subgroups of %d", subgroup)}
		if c.tools.lavapipe == "" {
			d.absent = "lavapipe is not here (Debian: mesa-vulkan-drivers)"
		} else {
			d.env = append(c.pinned(c.tools.lavapipe), fmt.Sprintf("LP_NATIVE_VECTOR_WIDTH=%d", 32*subgroup))
		}
		list = append(list, d)
	}
	swift := driver{name: "swiftshader", about: "SwiftShader"}
	if c.tools.swiftshader == "" {
		swift.absent = "SwiftShader is not in " + c.cache
	} else {
		swift.env = []string{"VK_ICD_FILENAMES=" + c.tools.swiftshader, "VK_DRIVER_FILES=" + c.tools.swiftshader}
	}
	return append(list, swift)
}

// oneDriver is the device for the steps that need just one: lavapipe as it comes on most machines, else what there is.
func (c *checker) oneDriver() driver {
	list := c.drivers()
	for _, i := range []int{1, 3} {
		if list[i].absent == "" {
			return list[i]
		}
	}
	return driver{name: "any", about: "the device that the machine offers"}
}
