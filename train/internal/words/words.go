package words

import "fmt"

// maxShort is the most characters that short leaves of a text.
const maxShort = 40

// short cuts a text that would fill the screen.
func Short(s string) string {
	if r := []rune(s); len(r) > maxShort {
		return string(r[:maxShort]) + "…"
	}
	return s
}

// count writes a number with its noun.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
