package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"vklstm/train/device"
)

// versionCommand says which program this is.
func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show version, commit, Go, and the instruction set of the CPU engine",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(os.Stdout, version())
			return err
		},
	}
}

// version returns the module's version, the commit that it was built from as far as the build knows it, Go, and the CPU engine.
func version() string {
	v, commit := "(unknown)", "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += ", changed since"
			}
		}
	}
	return fmt.Sprintf("vklstm %s\ncommit %s\n%s %s/%s\nCPU engine: %s", v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, device.CPU())
}
