package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"vklstm/model/vulkan"
)

// devicesCommand lists what --device can name.
func devicesCommand() *cobra.Command {
	kernels := ""
	c := &cobra.Command{
		Use:   "devices",
		Short: "List every device with its limits, and which one --device auto takes and why",
		RunE: func(c *cobra.Command, _ []string) error {
			w := &checkedWriter{w: os.Stdout}
			if kernels != "" {
				if err := listKernels(w, kernels); err != nil {
					return err
				}
				return w.err
			}
			listDevices(w)
			return w.err
		},
	}
	c.Flags().StringVar(&kernels, "kernels", "", "instead compile every kernel on this `device` (auto, an index or a name) and print what its driver counted: registers, spills, instructions")
	return c
}

// listKernels prints a line for each pipeline and size of subgroup: what the driver counted, as far as it is not 0.
func listKernels(w io.Writer, device string) error {
	c, err := vulkan.OpenCompiler(device)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(w, "%s, %s: counted by its compiler, not measured; figures of 0 are left out\n", c.Info().Name, c.Info().Driver)
	sizes := c.SubgroupSizes()
	if len(sizes) == 0 {
		sizes = []uint32{0} // the driver decides
	}
	for _, v := range vulkan.Variants(c.Info()) {
		for _, size := range sizes {
			list, err := c.Statistics(v, size)
			if errors.Is(err, vulkan.ErrUnfit) {
				fmt.Fprintf(w, "%s: %v\n", v, err)
				continue
			}
			if err != nil {
				return err
			}
			var figures []string
			for _, s := range list {
				if s.Value != 0 && !strings.Contains(strings.ToLower(s.Name), "hash") {
					figures = append(figures, fmt.Sprintf("%s %.6g", s.Name, s.Value))
				}
			}
			lanes := ""
			if len(list) > 0 && list[0].Subgroup != 0 {
				lanes = fmt.Sprintf(", %d lanes", list[0].Subgroup)
			}
			fmt.Fprintf(w, "%s%s: %s\n", v, lanes, strings.Join(figures, ", "))
		}
	}
	return nil
}

// checkedWriter remembers the first error, so that a full disk or a closed pipe is not taken for success.
type checkedWriter struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// units says what the resident path asks for besides: full subgroups, and how many workgroups run at once.
func units(l vulkan.Limits) string {
	full := "full subgroups are not promised"
	switch {
	case l.SubgroupSmallest == 0:
	case l.SubgroupSmallest == l.SubgroupLargest:
		full = fmt.Sprintf("full subgroups of %d lanes", l.SubgroupLargest)
	default:
		full = fmt.Sprintf("full subgroups of %d to %d lanes", l.SubgroupSmallest, l.SubgroupLargest)
	}
	if l.Multiprocessors == 0 {
		return full + "; how many multiprocessors there are is not said"
	}
	return fmt.Sprintf("%s, %d multiprocessors", full, l.Multiprocessors)
}

func listDevices(w io.Writer) {
	infos, err := vulkan.Devices()
	if err != nil {
		fmt.Fprintf(w, "%v\n", err)
	}
	for _, d := range infos {
		l := d.Limits
		fmt.Fprintf(w, "%d: %s\n   %s, Vulkan %s, %s, %s of memory\n", d.Index, d.Name, d.Type, d.API, d.Driver, size(d.Memory))
		fmt.Fprintf(w, "   a binding holds %s, a workgroup %d threads and %s, a subgroup %d lanes\n",
			size(l.StorageRange), l.MaxInvocations, size(uint64(l.SharedMemory)), l.SubgroupSize)
		fmt.Fprintf(w, "   %s\n", units(l))
		if d.Problem != "" {
			fmt.Fprintf(w, "   cannot be used: %s\n", d.Problem)
		}
	}
	fmt.Fprintf(w, "cpu: the CPU engine, float32, %d cores\n", runtime.NumCPU())
	if d, reason, err := vulkan.Choose(infos, "auto"); err == nil {
		fmt.Fprintf(w, "--device auto takes %d, %s: %s\n", d.Index, d.Name, reason)
	} else {
		fmt.Fprintln(w, "--device auto takes cpu: there is no GPU with a Vulkan driver")
		if len(infos) > 0 {
			fmt.Fprintln(w, "(a software driver is taken only when it is named)")
		}
	}
}

// size writes a number of bytes in binary units.
func size(n uint64) string {
	for _, u := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size {
			return fmt.Sprintf("%.4g %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
