// Command count compiles every pipeline that package model/vulkan makes on this machine's device and prints what the driver's
// compiler counted: one line per kernel, constants and size of subgroup. It is made for RADV, AMD's open driver, which
// compiles with no GPU present; the command check runs it once per family of GPUs, and reads its lines:
//
//	driver  NAME
//	kernel  constants  asked  subgroup  VGPRs  SGPRs  LDS  subgroups per SIMD  instructions  latency  throughput  spilled  scratch
//	kernel  constants  asked  unfit  reason
//
// A line's first three words stand there before its pipeline is compiled, so that a driver that crashes leaves the name.
// The exit status is 3 where the driver offers no device to compile for, and 1 after any other error.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vklstm/model/vulkan"
	"vklstm/shaders"
)

// columns are the figures of a line as RADV calls them. Those that one column adds up are in one entry.
var columns = [][]string{{"VGPRs"}, {"SGPRs"}, {"LDS size"}, {"Subgroups per SIMD"}, {"Instructions"}, {"Latency"}, {"Inverse Throughput"},
	{"Spilled VGPRs", "Spilled SGPRs"}, {"Scratch size"}}

func main() {
	only := flag.String("kernels", "", "count these kernels alone, separated by commas")
	replace := flag.String("replace", "", "take kernels from this `folder` where it has them: FOLDER/NAME.spv")
	flag.Parse()
	if err := count(*only, *replace); err != nil {
		fmt.Println() // ends a line that was begun
		fmt.Fprintln(os.Stderr, "count:", err)
		if errors.Is(err, vulkan.ErrNoDevice) || errors.Is(err, vulkan.ErrNoVulkan) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}

func count(only, replace string) error {
	if replace != "" {
		files, err := filepath.Glob(filepath.Join(replace, "*.spv"))
		if err != nil {
			return err
		}
		for _, f := range files {
			code, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			shaders.Replace(strings.TrimSuffix(filepath.Base(f), ".spv"), code)
		}
	}
	c, err := vulkan.OpenCompiler("0")
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Printf("driver\t%s\n", c.Info().Driver)
	sizes := c.SubgroupSizes()
	if len(sizes) == 0 {
		sizes = []uint32{0}
	}
	for _, v := range vulkan.Variants(c.Info()) {
		if only != "" && !slices.Contains(strings.Split(only, ","), v.Kernel) {
			continue
		}
		for _, size := range sizes {
			if err := line(c, v, size); err != nil {
				return err
			}
		}
	}
	return nil
}

// line prints the line of one pipeline.
func line(c *vulkan.Compiler, v vulkan.Variant, subgroup uint32) error {
	constants := "-"
	if len(v.Constants) > 0 {
		constants = strings.ReplaceAll(strings.Trim(fmt.Sprint(v.Constants), "[]"), " ", ",")
	}
	fmt.Printf("%s\t%s\t%d", v.Kernel, constants, subgroup)
	list, err := c.Statistics(v, subgroup)
	if errors.Is(err, vulkan.ErrUnfit) {
		fmt.Printf("\tunfit\t%v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	if len(list) > 0 {
		fmt.Printf("\t%d", list[0].Subgroup)
	}
	for _, names := range columns {
		sum := 0.0
		for _, name := range names {
			i := slices.IndexFunc(list, func(s vulkan.Statistic) bool { return s.Name == name })
			if i < 0 {
				return fmt.Errorf("%s: the driver does not tell %q", v, name)
			}
			sum += list[i].Value
		}
		fmt.Printf("\t%.0f", sum)
	}
	fmt.Println()
	return nil
}
