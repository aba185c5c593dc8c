// Part of generic.h: the one product of all three passes, in registers, and what each pass makes of it.

// zero sets accumulators by assignments: of an initialiser GCC makes a slow memset.
INL void zero(const int R, const int V, vf acc[MR][4]) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int v = 0; v < V; v++) acc[r][v] = (vf){0};
}
INL void load(const int R, const int V, vf acc[MR][4], const float *c, int64_t rs) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int v = 0; v < V; v++) acc[r][v] = ld(c + r * rs + v * VL);
}
INL void store(const int R, const int V, vf acc[MR][4], float *c, int64_t rs) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int v = 0; v < V; v++) st(c + r * rs + v * VL, acc[r][v]);
}
// tile is the one product of all three passes: acc[r][v] += sum over n values k of a[r*rs + k*ks] · w[k*V + v]. Sums
// go in the order of k whatever R is, so that a row's bits do not depend on the rows beside it.
INL void tile(const int R, const int V, vf acc[MR][4], const float *a, int64_t rs, int64_t ks, const float *w, int64_t n) {
	TWICE for (int64_t k = 0; k < n; k++, a += ks, w += V * VL) {
		vf x[4];
		UNROLL for (int v = 0; v < V; v++) x[v] = ld(w + v * VL);
		UNROLL for (int r = 0; r < R; r++)
			UNROLL for (int v = 0; v < V; v++) acc[r][v] += a[r * rs] * x[v];
	}
}
// height is that of the next row tile: at most MR, and even, because a single row leaves most of the pipeline empty.
INL int height(int64_t left) { int64_t tiles = (left + MR - 1) / MR; return (int)((left + tiles - 1) / tiles); }
#if MR == 3
#define EACH_R(X) X(1) X(2) X(3)
#define TILES(n, BODY) switch (n) { case 1: BODY(1); break; case 2: BODY(2); break; default: BODY(3); }
#elif MR == 4
#define EACH_R(X) X(1) X(2) X(3) X(4)
#define TILES(n, BODY) switch (n) { case 1: BODY(1); break; case 2: BODY(2); break; case 3: BODY(3); break; default: BODY(4); }
#elif MR == 6
#define EACH_R(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define TILES(n, BODY) switch (n) { case 1: BODY(1); break; case 2: BODY(2); break; case 3: BODY(3); break; \
	case 4: BODY(4); break; case 5: BODY(5); break; default: BODY(6); }
#endif

// gates: z (+)= rows of a times rows of a panel. Not inlined: constants of the activations would take registers.
#define GATES(R) OUT void gates##R(float *z, const float *a, int64_t KA, const float *w, int64_t n, int add) { \
	vf acc[MR][4]; \
	if (add) load(R, 4, acc, z, W4); else zero(R, 4, acc); \
	tile(R, 4, acc, a, KA, 1, w, n); \
	store(R, 4, acc, z, W4); }
EACH_R(GATES)

// gates of one row, two panels at a time: four sums alone would wait for each other.
OUT void gatesPair(float *z, int64_t zs, const float *a, const float *w, int64_t ws, int64_t n, int add) {
	vf acc[2][4];
	UNROLL for (int j = 0; j < 2; j++)
		UNROLL for (int v = 0; v < 4; v++) acc[j][v] = add ? ld(z + j * zs + v * VL) : (vf){0};
	for (int64_t k = 0; k < n; k++, w += W4)
		UNROLL for (int j = 0; j < 2; j++)
			UNROLL for (int v = 0; v < 4; v++) acc[j][v] += a[k] * ld(w + j * ws + v * VL);
	UNROLL for (int j = 0; j < 2; j++)
		UNROLL for (int v = 0; v < 4; v++) st(z + j * zs + v * VL, acc[j][v]);
}

// dh of a tile: R rows, V vectors of units, from rows of dz in the panels j0 … j1.
#define BACK(R, V) INL void back##R##V(float *dh, int64_t H, const float *dz, int64_t panel, const float *ut, int64_t panels, int add) { \
	vf acc[MR][4]; \
	if (add) load(R, V, acc, dh, H); else zero(R, V, acc); \
	for (int64_t j = 0; j < panels; j++) tile(R, V, acc, dz + j * panel, W4, 1, ut + j * W4 * V * VL, W4); \
	store(R, V, acc, dh, H); }
#define BACKS(R) BACK(R, 1) BACK(R, 2) BACK(R, 3) BACK(R, 4) \
	OUT void back##R(int V, float *dh, int64_t H, const float *dz, int64_t panel, const float *ut, int64_t panels, int add) { \
	switch (V) { \
	case 1: back##R##1(dh, H, dz, panel, ut, panels, add); break; \
	case 2: back##R##2(dh, H, dz, panel, ut, panels, add); break; \
	case 3: back##R##3(dh, H, dz, panel, ut, panels, add); break; \
	default: back##R##4(dh, H, dz, panel, ut, panels, add); } }
EACH_R(BACKS)

#define WEIGHTS(R) OUT void weights##R(float *G, const float *a, int64_t KA, const float *dz, int64_t n, int add) { \
	vf acc[MR][4]; \
	if (add) load(R, 4, acc, G, W4); else zero(R, 4, acc); \
	tile(R, 4, acc, a, 1, KA, dz, n); \
	store(R, 4, acc, G, W4); }
EACH_R(WEIGHTS)
