package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupAnnotation names the group that a flag is listed under.
const groupAnnotation = "vklstm_group"

// helpColumns is how wide the help of flags in groups is.
const helpColumns = 80

// grouped puts the flags that add adds to f into a group.
func grouped(f *pflag.FlagSet, group string, add func()) {
	before := map[string]bool{}
	f.VisitAll(func(flag *pflag.Flag) { before[flag.Name] = true })
	add()
	f.VisitAll(func(flag *pflag.Flag) {
		if !before[flag.Name] {
			_ = f.SetAnnotation(flag.Name, groupAnnotation, []string{group}) // The flag is there.
		}
	})
}

// groupedHelp makes c's help list the flags under the names of their groups, in the order given.
func groupedHelp(c *cobra.Command, groups ...string) {
	c.Flags().SortFlags = false
	c.SetUsageFunc(func(c *cobra.Command) error {
		var b strings.Builder
		fmt.Fprintf(&b, "Usage:\n  %s [flags]\n", c.CommandPath())
		for _, group := range append(groups, "") {
			part := pflag.NewFlagSet(group, pflag.ContinueOnError)
			part.SortFlags = false
			c.Flags().VisitAll(func(flag *pflag.Flag) {
				of := ""
				if a := flag.Annotations[groupAnnotation]; len(a) > 0 {
					of = a[0]
				}
				if of == group {
					part.AddFlag(flag)
				}
			})
			if !part.HasAvailableFlags() {
				continue
			}
			if group == "" {
				group = "Else"
			}
			fmt.Fprintf(&b, "\n%s:\n%s", group, part.FlagUsagesWrapped(helpColumns))
		}
		_, err := c.OutOrStderr().Write([]byte(b.String()))
		return err
	})
}
