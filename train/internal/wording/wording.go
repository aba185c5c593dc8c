// Package wording is what messages are made of.
package wording

// maxShort is the most characters that Short leaves of a text.
const maxShort = 60

// Short cuts a text that would fill the screen.
func Short(s string) string {
	if r := []rune(s); len(r) > maxShort {
		return string(r[:maxShort]) + "…"
	}
	return s
}
