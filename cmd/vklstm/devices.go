package main

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"vklstm/model/vulkan"
)

// devicesCommand lists what --device can name.
func devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List every device with its limits, and which one --device auto takes and why",
		RunE: func(c *cobra.Command, _ []string) error {
			w := &checkedWriter{w: os.Stdout}
			listDevices(w)
			return w.err
		},
	}
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
