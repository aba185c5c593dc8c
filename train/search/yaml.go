package search

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"vklstm/train/internal/wording"

	"go.yaml.in/yaml/v3"
)

// maxYAML is the most bytes of a file that describes a space.
const maxYAML = 1 << 20

// ReadSpace reads a space from a YAML file: a mapping from flags to what is tried of each, which is a list, a text as
// ParseTry has it after the =, or a mapping {min, max, log, count}:
//
//	lr: {min: 1e-4, max: 1e-2, log: true}
//	lstm-units: [32, 64, "64,32"]
//	dropout: 0.1:0.5
func ReadSpace(path string, flags Flags) (Space, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxYAML+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	s, err := parseYAML(b, flags)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// parseYAML is ReadSpace on a file's content.
func parseYAML(b []byte, flags Flags) (Space, error) {
	if len(b) > maxYAML {
		return nil, fmt.Errorf("more than %d bytes; this is no description of a space", maxYAML)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	if doc.Kind == 0 || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it must be a mapping from flags to what is tried of each, as lstm-units: [32, 64]")
	}
	var s Space
	pairs := doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		name := pairs[i].Value
		d, err := yamlDimension(name, pairs[i+1], flags)
		if err != nil {
			return nil, fmt.Errorf("line %d, %s: %w", pairs[i].Line, wording.Short(name), err)
		}
		s = append(s, d)
	}
	return s, s.Check()
}

// yamlDimension reads what is tried of one flag.
func yamlDimension(name string, n *yaml.Node, flags Flags) (Dimension, error) {
	n = resolve(n)
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == "" {
			return Dimension{}, errors.New("there is no value")
		}
		return parseValues(name, n.Value, flags)
	case yaml.SequenceNode:
		f, err := flags(name)
		if err != nil {
			return Dimension{}, err
		}
		var values []string
		for _, item := range n.Content {
			item = resolve(item)
			if item.Kind != yaml.ScalarNode {
				return Dimension{}, errors.New("a list must hold values, not lists or mappings; quote a value that has commas")
			}
			values = append(values, item.Value)
		}
		if len(values) == 0 {
			return Dimension{}, errors.New("the list is empty")
		}
		return list(f, values)
	case yaml.MappingNode:
		return yamlRange(name, n, flags)
	}
	return Dimension{}, errors.New("it must be a list, a text as --try has it, or {min, max, log, count}")
}

// yamlRange reads {min, max, log, count}.
func yamlRange(name string, n *yaml.Node, flags Flags) (Dimension, error) {
	f, err := flags(name)
	if err != nil {
		return Dimension{}, err
	}
	var ends [2]float64
	var given [2]bool
	log, count := false, 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := resolve(n.Content[i+1]).Value
		switch key := n.Content[i].Value; key {
		case "min", "max":
			k := 0
			if key == "max" {
				k = 1
			}
			if ends[k], err = number(value); err != nil {
				return Dimension{}, err
			}
			given[k] = true
		case "log":
			if log, err = strconv.ParseBool(value); err != nil {
				return Dimension{}, fmt.Errorf("log is %q; it must be true or false", wording.Short(value))
			}
		case "count":
			if count, err = strconv.Atoi(value); err != nil || count < 2 || count > maxChoices {
				return Dimension{}, fmt.Errorf("count is %q; it must be 2 to %d", wording.Short(value), maxChoices)
			}
		default:
			return Dimension{}, fmt.Errorf("%q is unknown; a range has min, max, log and count", wording.Short(key))
		}
	}
	if !given[0] || !given[1] {
		return Dimension{}, errors.New("a range needs min and max")
	}
	return span(f, ends[0], ends[1], log, count)
}

// resolve follows an alias; one of an alias is not followed, and so ends any circle.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
