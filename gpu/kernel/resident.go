package kernel

// ResidentNet are the sizes that the kernels of the resident path are compiled for. A lane of resident_lstm holds HP
// weights, and its workgroups have 4·HP threads.
type ResidentNet struct {
	H, F, D int
	HP      int // H rounded up to a multiple of 16; 4·HP is a multiple of the device's largest subgroup

	// Plain asks for short code: a driver that computes on the CPU takes a minute to compile what a GPU's takes a tenth of
	// a second for. The results are the same bits.
	Plain bool

	// Narrow asks for lanes that hold little: tiles of resident_weight are half as large. The results are the same bits.
	Narrow bool
}

// InputWidth is FP, the floats of a packed step: F features, a 1, and zeros up to a multiple of 4.
func (n ResidentNet) InputWidth() int { return (n.F + 4) / 4 * 4 }

// HeadWidth is the floats that resident_lstm leaves of each window for resident_weight.
func (n ResidentNet) HeadWidth() int { return 5*n.HP + 2*n.D + 1 }

// size is the number of parameters of a model.
func (n ResidentNet) size() int { return 4*n.H*(n.F+n.H+1) + n.H*n.D + 2*n.D + 1 }

// RowTile is RM, the rows of the recurrent kernel's gradient that a workgroup of resident_weight makes: as many as do
// not spill, since each tile reads all of dz.
func (n ResidentNet) RowTile() int {
	if n.HP%32 == 0 && !n.Plain && !n.Narrow {
		return 32
	}
	return 16
}

// InputTile is RX, the rows of the gradient of kernel and bias that a workgroup makes: as many in each of as few tiles as bear them.
func (n ResidentNet) InputTile() int {
	most := 32
	if n.Narrow {
		most = 16
	}
	return ceil(n.InputWidth(), 4*ceil(n.InputWidth(), most)) * 4
}

// ahead is the steps that resident_weight loads together.
func (n ResidentNet) ahead() int {
	if n.Plain {
		return 1
	}
	return 4
}

// DenseRoom is DP, the room for dense units.
func (n ResidentNet) DenseRoom() int { return (n.D + 63) / 64 * 64 }

// Tiles is the number of workgroups of resident_weight for each part of the gradient.
func (n ResidentNet) Tiles() int {
	head, each := n.H*n.D+2*n.D+1, 4*2*n.HP
	return n.HP/n.RowTile() + (n.InputWidth()+n.InputTile()-1)/n.InputTile() + (head+each-1)/each
}
