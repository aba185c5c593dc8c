package reference

// ActiveRows is active_rows.comp for one step: the rows whose step is valid, in order, after them the others, and how many
// are valid.
func ActiveRows(mask []bool) (rows []int, count int) {
	for r, valid := range mask {
		if valid {
			rows = append(rows, r)
		}
	}
	count = len(rows)
	for r, valid := range mask {
		if !valid {
			rows = append(rows, r)
		}
	}
	return rows, count
}
