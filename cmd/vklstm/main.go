// Command vklstm trains LSTM sequence classifiers on any Vulkan GPU, or on the CPU.
//
//	vklstm train --data data.npz --save-best
//	vklstm search --data data.npz --try lr=1e-4:1e-2:log --try lstm-units=32,64
//	vklstm evaluate --model checkpoints/lstm_best.h5 --data test.npz
//	vklstm predict --model checkpoints/lstm_best.h5 --data new.npz --out probability.csv
//	vklstm devices
//	vklstm selftest --device all
//	vklstm bench
//
// Exit status: 0 done, 1 an error that was explained, 2 wrong usage. Results go to standard output and files,
// everything else to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// errUsage is wrapped by errors about the command line.
var errUsage = errors.New("wrong usage")

// usagef returns an error that ends the program with status 2.
func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

type usageError struct{ text string }

func (e usageError) Error() string        { return e.text }
func (e usageError) Is(target error) bool { return target == errUsage }

// errFailed ends the program with status 1 and says nothing more: the command has said it.
var errFailed = errors.New("failed")

// started is when the program began, as near as it can tell: packages were initialised before.
var started = time.Now()

// gcPercent lets the heap grow by a tenth between collections, not to double: nearly all of it are the windows, which hold
// no pointers, so that a collection costs next to nothing and a doubled heap would hold garbage. GOGC still decides
// where it is set.
const gcPercent = 10

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := interruptible()
	c := root()
	c.SetArgs(joinAugment(os.Args[1:]))
	err := c.ExecuteContext(ctx)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errFailed):
		os.Exit(1)
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "vklstm: %v\nRun 'vklstm --help' for the commands and 'vklstm COMMAND --help' for the flags.\n", err)
		os.Exit(2)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "vklstm: interrupted")
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "vklstm: %v\n", err)
		os.Exit(1)
	}
}

// interruptible returns a context that ends at the first interrupt; the second one ends the program at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(130)
	}()
	return ctx, func() { signal.Stop(signals) }
}

// plainFlagError says what a flag's value must be, without the parser's own words.
func plainFlagError(err error) string {
	text, reason, found := strings.Cut(err.Error(), ": strconv.")
	if !found {
		return text
	}
	what := "a number"
	if strings.HasPrefix(reason, "ParseInt") {
		what = "a whole number"
	}
	if strings.Contains(reason, "out of range") {
		what += " that is not so large"
	}
	return text + ": it must be " + what
}

// flagsLike returns the flags of a command whose names are near to one that it does not have, as cobra finds commands.
func flagsLike(c *cobra.Command, name string) []string {
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return names.SuggestionsFor(name)
}

// didYouMean ends a sentence about a name that is not known with those that are near to it; "" where none is.
func didYouMean(names []string, prefix string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + prefix + strings.Join(names, " or "+prefix) + "?"
}

// root returns the program's commands.
func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "vklstm",
		Short:         "Train LSTM sequence classifiers on any Vulkan GPU, or on the CPU",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("unknown command %q%s", args[0], didYouMean(c.SuggestionsFor(args[0]), ""))
		},
		Version:                    version(),
		SuggestionsMinimumDistance: 2,
		RunE: func(c *cobra.Command, args []string) error {
			c.SetOut(os.Stderr)
			_ = c.Help()
			return usagef("name a command")
		},
	}
	c.SetVersionTemplate("{{.Version}}\n")
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
			return usageError{err.Error() + didYouMean(flagsLike(c, unknown.GetSpecifiedName()), "--")}
		}
		return usageError{plainFlagError(err)}
	})
	c.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the flags of a command",
		RunE: func(h *cobra.Command, args []string) error {
			sub, rest, err := c.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("unknown command %q%s", strings.Join(args, " "), didYouMean(c.SuggestionsFor(args[0]), ""))
			}
			return sub.Help()
		},
	})
	c.AddCommand(trainCommand(), crossvalCommand(), searchCommand(), evaluateCommand(), predictCommand(), exportCommand(), convertCommand(), devicesCommand(), selftestCommand(), benchCommand(), versionCommand())
	for _, sub := range c.Commands() {
		sub.Args = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s takes flags only, not %q", c.Name(), args[0])
			}
			return nil
		}
	}
	return c
}
