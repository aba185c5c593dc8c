package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// families are the AMD GPUs that every pipeline is compiled for, oldest first: GCN (RX 480), RDNA 2 (RX 6800), RDNA 3
// (RX 7900) and RDNA 4 (RX 9070), as RADV calls them. The first runs subgroups of 64 lanes only, the others of 32 too.
var families = []string{"polaris10", "navi21", "navi31", "gfx1201"}

// tableMesa is the release of Mesa whose compiler the table is of; another would count otherwise.
const tableMesa = "Mesa 25.0.7"

// tableFile is where the table lies in the repository.
const tableFile = "cmd/check/kernels.tsv"

// pipelineID says which pipeline a row is of.
type pipelineID struct {
	kernel, constants, family string
	wave                      int // lanes of a subgroup
}

func (p pipelineID) String() string {
	s := p.kernel
	if p.constants != "-" {
		s += "[" + p.constants + "]"
	}
	return fmt.Sprintf("%s, %s, wave %d", s, p.family, p.wave)
}

// row is what RADV's compiler counted of a pipeline. What must be 0 stands in no table.
type row struct {
	id                                                       pipelineID
	vgprs, sgprs, lds, waves, instructions, latency, inverse int
	spilled, scratch                                         int
}

// heading names the table's columns: VGPRs and SGPRs of a thread and a wave, bytes of LDS of a workgroup, waves that fit a
// SIMD unit at once, instructions, and the compiler's estimate of cycles for a wave alone and at full occupancy.
var heading = []string{"kernel", "constants", "family", "wave", "VGPRs", "SGPRs", "LDS", "waves/SIMD", "instructions", "latency", "inverse"}

// figures are the numbers of a row in the table's order.
func (r *row) figures() []*int {
	return []*int{&r.vgprs, &r.sgprs, &r.lds, &r.waves, &r.instructions, &r.latency, &r.inverse}
}

func compareRows(a, b row) int {
	return cmp.Or(strings.Compare(a.id.kernel, b.id.kernel), compareConstants(a.id.constants, b.id.constants),
		cmp.Compare(slices.Index(families, a.id.family), slices.Index(families, b.id.family)), cmp.Compare(a.id.wave, b.id.wave))
}

// compareConstants orders lists of numbers by their numbers.
func compareConstants(a, b string) int {
	number := func(list string) (out []uint64) {
		for word := range strings.SplitSeq(list, ",") {
			n, _ := strconv.ParseUint(word, 10, 32) // "-", for none, sorts as 0 does, and no kernel has both
			out = append(out, n)
		}
		return out
	}
	return slices.Compare(number(a), number(b))
}

// writeTable writes rows in their order.
func writeTable(w io.Writer, rows []row) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# What RADV of %s makes of every pipeline: counted by a compiler, not measured.\n", tableMesa)
	fmt.Fprintf(out, "# go run ./cmd/check -run kernels -update writes this file.\n%s\n", strings.Join(heading, "\t"))
	for _, r := range slices.SortedFunc(slices.Values(rows), compareRows) {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d", r.id.kernel, r.id.constants, r.id.family, r.id.wave)
		for _, f := range r.figures() {
			fmt.Fprintf(out, "\t%d", *f)
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// readTable reads what writeTable wrote.
func readTable(r io.Reader) ([]row, error) {
	var rows []row
	titled := false
	for lines, n := bufio.NewScanner(r), 1; ; n++ {
		if !lines.Scan() {
			if !titled && lines.Err() == nil {
				return nil, fmt.Errorf("%s has no line of headings", tableFile)
			}
			return rows, lines.Err()
		}
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Split(line, "\t")
		if !titled {
			if !slices.Equal(words, heading) {
				return nil, fmt.Errorf("%s, line %d: the headings are not those that -update writes", tableFile, n)
			}
			titled = true
			continue
		}
		if len(words) != len(heading) {
			return nil, fmt.Errorf("%s, line %d: %d columns; want %d", tableFile, n, len(words), len(heading))
		}
		one := row{id: pipelineID{kernel: words[0], constants: words[1], family: words[2]}}
		for i, to := range append([]*int{&one.id.wave}, one.figures()...) {
			v, err := strconv.Atoi(words[3+i])
			if err != nil {
				return nil, fmt.Errorf("%s, line %d: %q is no whole number", tableFile, n, words[3+i])
			}
			*to = v
		}
		rows = append(rows, one)
	}
}

// counted is what one run of the program count printed.
type counted struct {
	driver string
	rows   []row
	unfit  []string // pipelines that the GPU's limits do not allow
}

// readCounted reads the lines of the program count, which says what they are, for a family of GPUs. The error names the
// pipeline at which the lines break off.
func readCounted(r io.Reader, family string) (counted, error) {
	var c counted
	for lines := bufio.NewScanner(r); lines.Scan(); {
		words := strings.Split(lines.Text(), "\t")
		if words[0] == "driver" && len(words) == 2 {
			c.driver = words[1]
			continue
		}
		if len(words) == 1 && words[0] == "" {
			continue
		}
		if len(words) == 5 && words[3] == "unfit" {
			c.unfit = append(c.unfit, words[0]+" "+words[1])
			continue
		}
		one := row{id: pipelineID{kernel: words[0], family: family}}
		to := slices.Concat([]*int{&one.id.wave}, one.figures(), []*int{&one.spilled, &one.scratch})
		if len(words) != 3+len(to) {
			return c, fmt.Errorf("compiling %s for %s broke off", strings.Join(words[:min(len(words), 3)], " "), family)
		}
		one.id.constants = words[1]
		for i, p := range to {
			v, err := strconv.Atoi(words[3+i])
			if err != nil {
				return c, fmt.Errorf("%s for %s: %q is no whole number", words[0], family, words[3+i])
			}
			*p = v
		}
		c.rows = append(c.rows, one)
	}
	return c, nil
}

// complaints says what is wrong with the rows found: spills and scratch memory, more registers or instructions or fewer waves
// than the table has, and rows that one side lacks. better is the number of pipelines that came out smaller.
func complaints(table, found []row) (wrong []string, better int) {
	known := map[pipelineID]row{}
	for _, r := range table {
		if _, twice := known[r.id]; twice {
			wrong = append(wrong, fmt.Sprintf("%s: the table has it twice", r.id))
		}
		known[r.id] = r
	}
	for _, r := range slices.SortedFunc(slices.Values(found), compareRows) {
		say := func(format string, args ...any) {
			wrong = append(wrong, r.id.String()+": "+fmt.Sprintf(format, args...))
		}
		if r.spilled > 0 {
			say("%d registers are spilled", r.spilled)
		}
		if r.scratch > 0 {
			say("%d bytes of scratch memory per wave: an array is not in registers", r.scratch)
		}
		was, ok := known[r.id]
		if !ok {
			say("the table has no such pipeline")
			continue
		}
		delete(known, r.id)
		if r.vgprs > was.vgprs {
			say("%d vector registers, %d more than the table's %d", r.vgprs, r.vgprs-was.vgprs, was.vgprs)
		}
		if r.instructions > was.instructions {
			say("%d instructions, %d more than the table's %d", r.instructions, r.instructions-was.instructions, was.instructions)
		}
		if r.waves < was.waves {
			say("%d waves fit a SIMD unit, %d fewer than the table's %d", r.waves, was.waves-r.waves, was.waves)
		}
		if r.vgprs < was.vgprs || r.instructions < was.instructions || r.waves > was.waves {
			better++
		}
	}
	for _, r := range slices.SortedFunc(slices.Values(table), compareRows) {
		if _, left := known[r.id]; left {
			delete(known, r.id)
			wrong = append(wrong, fmt.Sprintf("%s: no such pipeline is made any more, and the table still has it", r.id))
		}
	}
	return wrong, better
}

// radv is RADV as it compiles for a family of GPUs that are not there.
func (c *checker) radv(family string) driver {
	d := driver{name: family, about: "RADV for " + family}
	if c.tools.radv == "" {
		d.absent = "AMD's driver RADV is not here (Debian: mesa-vulkan-drivers)"
		return d
	}
	d.env = append(c.pinned(c.tools.radv), "RADV_FORCE_FAMILY="+family, "NODEVICE_SELECT=1", "MESA_SHADER_CACHE_DISABLE=1")
	return d
}

// errOtherMesa is the answer where the table cannot be held against this driver.
var errOtherMesa = errors.New("only " + tableMesa + " can be held against the table")

// count compiles every pipeline for the given families, two at a time, by a program that was built from
// cmd/check/internal/count.
func (c *checker) count(program string, families []string, args ...string) ([]row, error) {
	all, errs := make([]counted, len(families)), make([]error, len(families))
	// The oldest alone first: a driver of another release may not know the others, and ends the process at their names.
	all[0], errs[0] = c.countFamily(program, families[0], args)
	if mesa := all[0].driver; errs[0] == nil && !strings.Contains(mesa+" ", tableMesa+" ") && !strings.Contains(mesa, tableMesa+"-") {
		return nil, fmt.Errorf("%w; here is %s", errOtherMesa, mesa)
	}
	slots := make(chan struct{}, 2)
	var done sync.WaitGroup
	for i, family := range families[1:] {
		if errs[0] != nil {
			break
		}
		done.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			all[i+1], errs[i+1] = c.countFamily(program, family, args)
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var rows []row
	fits := map[string]bool{}
	for _, one := range all {
		rows = append(rows, one.rows...)
		for _, r := range one.rows {
			fits[r.id.kernel+" "+r.id.constants] = true
		}
	}
	for _, one := range all {
		for _, u := range one.unfit {
			if !fits[u] {
				return nil, fmt.Errorf("%s runs on none of %s, so nothing is known of it", u, strings.Join(families, ", "))
			}
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("no pipeline was compiled")
	}
	return rows, nil
}

func (c *checker) countFamily(program, family string, args []string) (counted, error) {
	d := c.radv(family)
	if d.absent != "" {
		return counted{}, errors.New(d.absent)
	}
	var out bytes.Buffer
	complaint, err := c.run(command{args: append([]string{program}, args...), env: d.env, limit: 5 * time.Minute, stdout: &out})
	one, broken := readCounted(&out, family)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 { // no such device
		return one, fmt.Errorf("%w: %s", errOtherMesa, tail(complaint, 1))
	}
	if err != nil {
		return one, fmt.Errorf("%w\n%s", errors.Join(broken, err), complaint)
	}
	return one, broken
}

// buildCount builds the program count into a folder.
func (c *checker) buildCount(folder string) (string, error) {
	program := filepath.Join(folder, "count")
	out, err := c.run(command{args: []string{"go", "build", "-buildvcs=false", "-o", program, "./cmd/check/internal/count"}, limit: 10 * time.Minute})
	if err != nil {
		return "", fmt.Errorf("%s%w", out, err)
	}
	return program, nil
}

// counting runs a step with a folder for what it makes and the program that counts, where the compilers that it asks are
// here.
func (c *checker) counting(step func(scratch, program string) result) result {
	scratch, err := os.MkdirTemp("", "vklstm-check-")
	if err != nil {
		return bad(err.Error())
	}
	defer os.RemoveAll(scratch)
	if d := c.radv(families[0]); d.absent != "" {
		return result{absent: d.absent}
	}
	program, err := c.buildCount(scratch)
	if err != nil {
		return bad(err.Error())
	}
	return step(scratch, program)
}

// kernels compiles every pipeline for GPUs that are not there and holds what became of them against the table, which
// -update writes anew. The tests of those who ask the same question run there too.
func (c *checker) kernels() result { return c.counting(c.kernelsBy) }

func (c *checker) kernelsBy(_, program string) result {
	found, err := c.count(program, families)
	if errors.Is(err, errOtherMesa) {
		return result{absent: err.Error()}
	} else if err != nil {
		return bad(err.Error())
	}
	file := filepath.Join(c.root, filepath.FromSlash(tableFile))
	if c.update {
		var text bytes.Buffer
		if err := writeTable(&text, found); err != nil {
			return bad(err.Error())
		}
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			return bad(err.Error())
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return bad(err.Error())
	}
	table, err := readTable(bytes.NewReader(text))
	if err != nil {
		return bad(err.Error())
	}
	wrong, better := complaints(table, found)
	r := result{passed: len(found), detail: fmt.Sprintf("%d pipelines on %d families of GPUs", len(found), len(families))}
	if better > 0 {
		r.detail += fmt.Sprintf("; %d are smaller than in %s, which -update would keep so", better, tableFile)
	}
	if len(wrong) > 0 {
		r.failed = 1
		r.output = strings.Join(wrong, "\n") + "\nWhat is meant to be so goes into " + tableFile + " by go run ./cmd/check -run kernels -update.\n"
	}
	for i, family := range families {
		packages := []string{"./gpu", "./cmd/vklstm"}
		if i > 0 {
			packages = packages[:1] // the program is asked once, and builds itself for its tests
		}
		s, err := c.goTest(command{env: append(c.testEnv(c.radv(family)), "VKLSTM_DEVICE=0", "VKLSTM_VALIDATION=")},
			append([]string{"-run", "^TestStatistics$"}, packages...)...)
		if err != nil {
			return bad(err.Error())
		}
		one := s.result(true, c.shared)
		for _, pkg := range packages {
			if s.ended[c.module+pkg[1:]+" TestStatistics"] == "" {
				one.failed++
				one.output += fmt.Sprintf("TestStatistics of %s did not run on %s\n", pkg, family)
			}
		}
		r.passed, r.failed, r.output = r.passed+one.passed, r.failed+one.failed, r.output+one.output
	}
	return r
}

// liveTable proves that the step kernels would notice: kernels made to spill and to use scratch memory, and a table whose
// numbers are better than what is found.
func (c *checker) liveTable() result { return c.counting(c.liveTableBy) }

func (c *checker) liveTableBy(scratch, program string) result {
	const kernel = "advance" // any will do; the smallest is the farthest from a spill
	honest, err := c.count(program, families, "-kernels", kernel)
	if errors.Is(err, errOtherMesa) {
		return result{absent: err.Error()}
	} else if err != nil {
		return bad(err.Error())
	}
	var r result
	prove := func(what string, wrong []string, want int, word string) {
		n := 0
		for _, w := range wrong {
			if strings.Contains(w, word) {
				n++
			}
		}
		if n != want {
			r.failed++
			r.output += fmt.Sprintf("%s: %d complaints %q, want %d:\n%s\n", what, n, word, want, strings.Join(wrong, "\n"))
			return
		}
		r.passed++
	}
	wrong, _ := complaints(honest, honest)
	prove("the kernel as it is", wrong, 0, "")
	for _, broken := range []struct{ name, word string }{{"spill", "registers are spilled"}, {"scratch", "scratch memory"}} {
		code, err := os.ReadFile(filepath.Join(c.root, "cmd", "check", "internal", "count", "testdata", "spv", broken.name+".spv"))
		if err != nil {
			return bad(err.Error())
		}
		dir := filepath.Join(scratch, broken.name)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, kernel+".spv"), code, 0o644)); err != nil {
			return bad(err.Error())
		}
		found, err := c.count(program, families, "-kernels", kernel, "-replace", dir)
		if err != nil {
			return bad(err.Error())
		}
		wrong, _ := complaints(honest, found)
		prove("a kernel made to "+broken.name, wrong, len(honest), broken.word)
		prove("a kernel made to "+broken.name, wrong, len(honest), " instructions, ")
	}
	for _, lie := range []struct {
		what, word string
		change     func(*row)
	}{
		{"a table with a register less", "1 more than the table's", func(r *row) { r.vgprs-- }},
		{"a table with an instruction less", "1 more than the table's", func(r *row) { r.instructions-- }},
		{"a table with a wave more", "1 fewer than the table's", func(r *row) { r.waves++ }},
	} {
		table := slices.Clone(honest)
		lie.change(&table[0])
		wrong, _ := complaints(table, honest)
		prove(lie.what, wrong, 1, lie.word)
	}
	wrong, _ = complaints(honest[1:], honest)
	prove("a table without a row", wrong, 1, "has no such pipeline")
	wrong, _ = complaints(honest, honest[1:])
	prove("a row without a pipeline", wrong, 1, "still has it")
	r.detail = fmt.Sprintf("%d of %d mistakes noticed", r.passed, r.passed+r.failed)
	return r
}
