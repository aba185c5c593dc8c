package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func sampleRows() []row {
	id := func(kernel, constants, family string, wave int) pipelineID {
		return pipelineID{kernel, constants, family, wave}
	}
	return []row{ // in the table's order
		{id: id("advance", "-", "polaris10", 64), vgprs: 4, sgprs: 16, waves: 8, instructions: 24, latency: 691, inverse: 5528},
		{id: id("matmul", "2,0", "navi21", 32), vgprs: 64, sgprs: 128, lds: 4608, waves: 13, instructions: 977, latency: 26396, inverse: 4061},
		{id: id("matmul", "2,0", "navi21", 64), vgprs: 56, sgprs: 128, lds: 4608, waves: 14, instructions: 974, latency: 26868, inverse: 3838},
		{id: id("matmul", "10,0", "polaris10", 64), vgprs: 56, sgprs: 64, lds: 4608, waves: 4, instructions: 1068, latency: 29151, inverse: 7288},
		{id: id("matmul", "10,0", "gfx1201", 32), vgprs: 72, sgprs: 128, lds: 4608, waves: 12, instructions: 954, latency: 22064, inverse: 3394},
	}
}

func TestTable(t *testing.T) {
	want := sampleRows()
	shuffled := slices.Clone(want)
	slices.Reverse(shuffled)
	var text, again bytes.Buffer
	if err := writeTable(&text, shuffled); err != nil {
		t.Fatal(err)
	}
	got, err := readTable(bytes.NewReader(text.Bytes()))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if err := writeTable(&again, want); err != nil || again.String() != text.String() {
		t.Errorf("%v; another order of rows gives another table:\n%s\n%s", err, &text, &again)
	}
	whole := text.String()
	for name, damaged := range map[string]string{
		"nothing":           "",
		"other headings":    strings.Replace(whole, "VGPRs", "registers", 1),
		"a word too few":    strings.Replace(whole, "\t5528", "", 1),
		"a word for number": strings.Replace(whole, "5528", "many", 1),
	} {
		if _, err := readTable(strings.NewReader(damaged)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestComplaints(t *testing.T) {
	change := func(i int, f func(*row)) []row {
		rows := sampleRows()
		f(&rows[i])
		return rows
	}
	for _, tc := range []struct {
		name         string
		table, found []row
		want         []string // how each complaint ends
		better       int
	}{
		{"equal", sampleRows(), sampleRows(), nil, 0},
		{"a spill", sampleRows(), change(1, func(r *row) { r.spilled = 3 }), []string{"matmul[2,0], navi21, wave 32: 3 registers are spilled"}, 0},
		{"scratch", sampleRows(), change(0, func(r *row) { r.scratch = 512 }), []string{"advance, polaris10, wave 64: 512 bytes of scratch memory per wave: an array is not in registers"}, 0},
		{"registers", sampleRows(), change(2, func(r *row) { r.vgprs = 64 }), []string{"wave 64: 64 vector registers, 8 more than the table's 56"}, 0},
		{"instructions", sampleRows(), change(2, func(r *row) { r.instructions++ }), []string{"wave 64: 975 instructions, 1 more than the table's 974"}, 0},
		{"waves", sampleRows(), change(4, func(r *row) { r.waves = 10 }), []string{"wave 32: 10 waves fit a SIMD unit, 2 fewer than the table's 12"}, 0},
		{"better", sampleRows(), change(2, func(r *row) { r.vgprs--; r.instructions -= 100; r.waves++ }), nil, 1},
		{"other figures", sampleRows(), change(2, func(r *row) { r.sgprs++; r.latency += 9; r.inverse++ }), nil, 0},
		{"a new pipeline", sampleRows()[1:], sampleRows(), []string{"advance, polaris10, wave 64: the table has no such pipeline"}, 0},
		{"a stale row", sampleRows(), sampleRows()[:4], []string{"matmul[10,0], gfx1201, wave 32: no such pipeline is made any more, and the table still has it"}, 0},
		{"a row twice", append(sampleRows(), sampleRows()[3]), sampleRows(), []string{"matmul[10,0], polaris10, wave 64: the table has it twice"}, 0},
	} {
		wrong, better := complaints(tc.table, tc.found)
		if len(wrong) != len(tc.want) || better != tc.better {
			t.Errorf("%s: %q, %d better; want %q, %d", tc.name, wrong, better, tc.want, tc.better)
			continue
		}
		for i := range wrong {
			if !strings.HasSuffix(wrong[i], tc.want[i]) {
				t.Errorf("%s: %q, want %q", tc.name, wrong[i], tc.want[i])
			}
		}
	}
}

// TestCount lets a script speak for the program that compiles.
func TestCount(t *testing.T) {
	const line = `printf 'advance\t-\t0\t64\t4\t16\t0\t8\t24\t691\t5528\t0\t0\n'`
	for _, tc := range []struct {
		name, script string
		say          string // of the error; "" for none
		other        bool   // the error is errOtherMesa
	}{
		{"two families", `printf 'driver\tradv Mesa 25.0.7-2~bpo12+1\n'; ` + line, "", false},
		{"another release", `printf 'driver\tradv Mesa 22.3.6\n'; ` + line, "Mesa 22.3.6", true},
		{"a release whose number begins alike", `printf 'driver\tradv Mesa 25.0.70\n'; ` + line, "Mesa 25.0.70", true},
		{"no null device", `echo 'count: no suitable device' >&2; exit 3`, "no suitable device", true},
		{"a crash", `printf 'driver\tradv Mesa 25.0.7\n'; [ $RADV_FORCE_FAMILY = polaris10 ] || { printf 'mask\t-\t32'; kill -ABRT $$; }; ` + line,
			"compiling mask - 32 for navi31 broke off", false},
		{"a complaint", `printf 'driver\tradv Mesa 25.0.7\n'; echo 'count: out of luck' >&2; exit 1`, "out of luck", false},
		{"nothing compiled", `printf 'driver\tradv Mesa 25.0.7\n'`, "no pipeline", false},
		{"one family cannot run it", `printf 'driver\tradv Mesa 25.0.7\n'; ` + line + `; if [ $RADV_FORCE_FAMILY = navi31 ]; then printf 'big\t1\t0\t64\t4\t16\t0\t8\t24\t691\t5528\t0\t0\n'; else printf 'big\t1\t0\tunfit\twhy\n'; fi`, "", false},
		{"no family can run it", `printf 'driver\tradv Mesa 25.0.7\n'; ` + line + `; printf 'big\t1\t0\tunfit\twhy\n'`, "big 1 runs on none of polaris10, navi31", false},
	} {
		program := filepath.Join(t.TempDir(), "count")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		c := &checker{ctx: context.Background(), root: t.TempDir(), tools: tools{radv: "radeon_icd.json"}}
		rows, err := c.count(program, []string{"polaris10", "navi31"})
		switch {
		case tc.say == "":
			if err != nil || len(rows) < 2 || rows[0].id != (pipelineID{"advance", "-", "polaris10", 64}) || rows[0].inverse != 5528 {
				t.Errorf("%s: %v, %v", tc.name, rows, err)
			}
		case err == nil || !strings.Contains(err.Error(), tc.say) || errors.Is(err, errOtherMesa) != tc.other:
			t.Errorf("%s: error %v; want one that says %q", tc.name, err, tc.say)
		}
	}
}
