package gpu

import (
	"fmt"
	"strconv"
	"strings"
)

// rank orders the kinds of device for "auto"; 0 is never taken.
var rank = map[string]int{"discrete GPU": 3, "integrated GPU": 2, "virtual GPU": 1}

// Choose takes one of the devices: want is "auto" (or empty), an index, or a part of a name in any case; a whole name
// wins over a part of others. Auto is the best real GPU (discrete before integrated before virtual, then more memory,
// then the lower index), never a software driver. The reason completes the sentence "chosen because". The error wraps
// ErrNoDevice, lists the known devices, and says what is ambiguous or unusable.
func Choose(infos []Info, want string) (Info, string, error) {
	want = strings.TrimSpace(want)
	if want == "" || strings.EqualFold(want, "auto") {
		return chooseBest(infos)
	}
	var hits []Info
	reason := "it was asked for by name"
	if n, err := strconv.Atoi(want); err == nil {
		reason = "it was asked for by index"
		if n >= 0 && n < len(infos) {
			hits = []Info{infos[n]}
		}
	} else {
		for _, i := range infos {
			if strings.EqualFold(i.Name, want) {
				hits = append(hits, i)
			}
		}
		if hits == nil {
			for _, i := range infos {
				if strings.Contains(strings.ToLower(i.Name), strings.ToLower(want)) {
					hits = append(hits, i)
				}
			}
		}
	}
	switch {
	case len(hits) == 0:
		return Info{}, "", fmt.Errorf("gpu: device %q: %w; known are %s", want, ErrNoDevice, list(infos))
	case len(hits) > 1:
		return Info{}, "", fmt.Errorf("gpu: device %q: %w: %d devices have that name; give one of the indices of %s", want, ErrNoDevice, len(hits), list(hits))
	case hits[0].Problem != "":
		return Info{}, "", fmt.Errorf("gpu: device %q: %w: %s cannot be used, because %s", want, ErrNoDevice, hits[0].Name, hits[0].Problem)
	}
	return hits[0], reason, nil
}

func chooseBest(infos []Info) (Info, string, error) {
	best, others := -1, 0
	for k, i := range infos {
		if rank[i.Type] == 0 || i.Problem != "" {
			continue
		}
		others++
		if best < 0 || rank[i.Type] > rank[infos[best].Type] ||
			rank[i.Type] == rank[infos[best].Type] && i.Memory > infos[best].Memory {
			best = k
		}
	}
	if best < 0 {
		return Info{}, "", fmt.Errorf("gpu: %w: auto takes no software driver, and there is no usable GPU among %s", ErrNoDevice, list(infos))
	}
	if others == 1 {
		return infos[best], "it is the only GPU", nil
	}
	return infos[best], fmt.Sprintf("it is the best of %d GPUs (discrete before integrated before virtual, then memory)", others), nil
}

// list names devices for an error message.
func list(infos []Info) string {
	if len(infos) == 0 {
		return "no devices"
	}
	names := make([]string, len(infos))
	for k, i := range infos {
		names[k] = fmt.Sprintf("%d %q (%s)", i.Index, i.Name, i.Type)
		if i.Problem != "" {
			names[k] = fmt.Sprintf("%d %q (unusable: %s)", i.Index, i.Name, i.Problem)
		}
	}
	return strings.Join(names, ", ")
}
