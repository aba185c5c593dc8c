package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// recipe is a set of flags under a name, and nothing more: each of its flags may be given beside it and then wins.
type recipe struct {
	name, about string
	flags       []setting
}

// setting is a flag and its value; a switch's is "true".
type setting struct{ flag, value string }

// recipes are what --recipe knows, the first by default.
var recipes = []recipe{
	{name: "original", about: "the original module's settings"},
	{name: "imu", about: "for accelerometers and gyroscopes", flags: append([]setting{
		{"batch", "64"}, {"augment", "imu"}}, long...)},
	{name: "pose", about: "for features taken from poses", flags: append([]setting{
		{"batch", "32"}, {"augment", "moderate"}}, long...)},
}

// long is what imu and pose share: AdamW down a cosine through all epochs, without early stopping, on all that may be
// trained on. On sets of a few dozen persons a validation part's F1 is a poor judge of when to stop, and its windows do
// more good in training.
var long = []setting{
	{"scale", "standard"}, {"no-focal-loss", "true"}, {"no-class-weights", "true"}, {"lr", "0.003"}, {"schedule", "cosine"}, {"epochs", "60"},
	{"weight-decay", "0.01"}, {"global-clipnorm", "1"}, {"no-early-stopping", "true"}, {"train-on-val", "true"},
}

// String writes the setting as it is given on a command line.
func (s setting) String() string {
	switch s.value {
	case "true":
		return "--" + s.flag
	case "false":
		return "--" + s.flag + "=false"
	}
	return "--" + s.flag + " " + s.value
}

// words writes settings as they are given on a command line.
func words(list []setting) string {
	text := make([]string, len(list))
	for i, s := range list {
		text[i] = s.String()
	}
	return strings.Join(text, " ")
}

// recipeNames lists the recipes.
func recipeNames() string {
	var names []string
	for _, r := range recipes {
		names = append(names, r.name)
	}
	return strings.Join(names, ", ")
}

// recipeHelp says what the recipes stand for, in lines of the help's width.
func recipeHelp() string {
	var b strings.Builder
	for _, r := range recipes {
		fmt.Fprintf(&b, "\n  %s: %s", r.name, r.about)
		if len(r.flags) == 0 {
			b.WriteString(", which are the defaults")
			continue
		}
		line := "\n   "
		for _, s := range r.flags {
			if len(line)+len(s.String()) >= helpColumns {
				b.WriteString(line)
				line = "\n   "
			}
			line += " " + s.String()
		}
		b.WriteString(line)
	}
	return b.String()
}

// useRecipe sets the flags of a recipe that were not given, and returns what it stands for: a line for the log, "" for the
// defaults alone.
func useRecipe(f *pflag.FlagSet, name string) (string, error) {
	i := slices.IndexFunc(recipes, func(r recipe) bool { return r.name == name })
	if i < 0 {
		return "", usagef("--recipe %q: it must be one of %s", name, recipeNames())
	}
	var used, given []setting
	for _, s := range recipes[i].flags {
		flag := f.Lookup(s.flag)
		if flag.Changed {
			given = append(given, setting{s.flag, flag.Value.String()})
			continue
		}
		if err := flag.Value.Set(s.value); err != nil { // and Changed stays false: nobody gave it
			panic(fmt.Sprintf("recipe %s: %v: %v", name, s, err))
		}
		used = append(used, s)
	}
	if i == 0 {
		return "", nil
	}
	line := fmt.Sprintf("recipe %s: %s", name, words(used))
	if len(given) > 0 {
		line += "; as given: " + words(given)
	}
	return line, nil
}
