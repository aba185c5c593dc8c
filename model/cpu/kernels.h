// The CPU engine's kernels: a chain of LSTM layers and of layers without memory, in float32.
//
// Every array is memory of C, 64 bytes aligned, but for what a struct says is the caller's. Sizes are padded to whole vectors;
// the padding's parameters are 0 and stay 0.
#ifndef VKLSTM_KERNELS_H
#define VKLSTM_KERNELS_H
#include <stdint.h>

#define VK_LAYERS 16 // the most LSTM layers of a network

// vk_direction is one direction of an LSTM layer.
//
// Its parameters lie in panels. Panel j holds all four gates of VL units,
//
//	[K = H+in+1 rows: recurrent_kernel, kernel, bias][i f c o][VL]
//
// so that one tile of a product has all that VL units of the cell need.
typedef struct {
	int64_t at;             // where the J panels begin among the parameters
	float *w;               // [J][K][4][VL]: the panels, scaled so that 2^z is what an activation needs
	float *ut;              // recurrent_kernel transposed, [column groups of 4 VL][4H as panels have them][4 VL or less]
	float *kt;              // kernel transposed, in the same way; NULL in the first layer
} vk_direction;

// vk_layer is one LSTM layer. It puts out the units of both directions side by side.
typedef struct {
	int64_t directions;     // 2: direction[1] goes from the last step to the first
	int32_t relu;           // 1: relu in place of tanh
	int32_t backwards;      // 1: its only direction goes from the last step to the first, and its outputs stand in that order
	int32_t last;           // 1: only what it puts out at the end is read
	int32_t direct, fed;    // 1: it writes what it puts out where the next layer takes it in; the layer before does so
	int64_t in, H, out;     // what comes in; units of a direction; of all: padded, but for the first layer's features
	int64_t K, KA, J;       // rows of a panel; K padded; panels
	vk_direction direction[2];
} vk_layer;

// vk_variable is a variable of the layers without memory.
typedef struct {
	int64_t at, n;          // where it begins among the parameters; floats, padding included
	int32_t kernel;         // 1: a kernel [n/out][out]
	int64_t out;
	float *turned;          // the kernel transposed, [out][n/out]; NULL: not needed
} vk_variable;

// vk_op is one layer of the network, or the merging of an LSTM's two directions. Ops follow each other; those after the last LSTM
// are done once for a row, the others at each of its used steps.
enum { VK_LSTM, VK_MERGE, VK_DROPOUT, VK_NORMALIZE, VK_DENSE };
enum { VK_LINEAR, VK_RELU, VK_TANH, VK_SIGMOID };
enum { VK_SUM, VK_AVERAGE, VK_PRODUCT };
typedef struct {
	int32_t kind;
	int32_t how;            // VK_MERGE: VK_SUM …; VK_DENSE: VK_LINEAR …
	int32_t steps;          // 1: it is done at each used step of a row
	int64_t in, out;        // values that come in and go out, padded
	int64_t layer;          // VK_LSTM
	int64_t variable;       // VK_NORMALIZE: of gamma, then beta; VK_DENSE: of its kernel, then bias. Of one unit the kernel is [in][1]
	int64_t parts, units;   // VK_DROPOUT: the values lie in so many parts; units of a part, without its padding, as of VK_DENSE
	uint32_t stream, threshold; // VK_DROPOUT: which layer draws; what a draw must not be below
	float keep;             // VK_DROPOUT: scale of what is kept
	double small, momentum; // VK_NORMALIZE: what is added to the variance; momentum
	int64_t moving;         // VK_NORMALIZE: where the moving mean begins in p, which the variance follows
	int64_t sums;           // VK_NORMALIZE: where its sums begin among those of a block
} vk_op;

// vk_net is one model. Its parameters, moments and gradients lie alike: the panels of each direction, layer by layer, and then
// from head on the variables of the other layers.
typedef struct {
	int64_t F, T;           // features; timesteps
	int32_t masked;         // 0: all steps are used
	float mask;             // a step is masked when each feature is this or missing
	int64_t layers, ops, classes; // LSTM layers; ops; logits
	int64_t sequence, width; // the most values of an op that is done at each step, and of any
	int64_t head, np;       // see above; parameters, padding included
	float *p, *m, *v;       // [np]; after it p has the moving moments
	float *grad;            // [lanes][np]
	int64_t lanes;          // gradients that a step's blocks are summed into, in fixed order
	const float *offset, *factor; // scaling [F]
	int32_t focal;          // 1: focal loss, 0: crossentropy
	double alpha, gamma, smoothing; // focal loss; label smoothing
	const double *classAlpha; // [classes], of the categorical focal loss
	uint32_t key[2];        // philox key
	int32_t adam;           // 1: Adam, 0: SGD
	float b1, b2, epsilon;  // 1-beta1, 1-beta2
	float l2;               // times p, it is added to the gradient of kernels; 0: none
	double clip, global_clip; // L2 norms; 0: none
	float *scale;           // what clipping multiplies the gradient of each variable with in this step: three of each direction, then variable
	double *norm;           // of as many, for norms
	int64_t variables;
	vk_variable *variable;  // of the layers without memory
	int64_t phases;         // in which a step runs: 1, and 2 more for each VK_NORMALIZE, which waits for the sums of all blocks
	int64_t sums;           // doubles of a block, for all VK_NORMALIZE
	vk_op *op;
	vk_layer layer[VK_LAYERS];
} vk_net;

// vk_data are windows in the caller's memory. Where the network masks, a step of x is used when any feature is neither the mask's
// value nor NaN; of augmented windows, which are scaled already, when any feature is not NaN. NaN becomes 0.
typedef struct {
	const float *x;         // [N][T][F]
	const float *augmented; // [n][T][F]
} vk_data;

// vk_job is one model's share of a run, all in the caller's memory. Rows are in blocks, blocks in steps.
typedef struct {
	vk_net *net;
	vk_data data;
	int64_t steps;
	const int64_t *block;   // [steps+1], first block of each step
	const int64_t *row;     // [blocks+1], first row of each block
	const int32_t *src;     // [rows], window: below 0 it is ~src of data.augmented
	const int32_t *at;      // [rows], the row's place in what follows
	const int32_t *whole;   // [rows], not 0: no step of the row is masked; NULL: not known
	const float *label;     // [places], or NULL: logits are wanted in place of probabilities
	const float *weight;    // [places], or NULL: all 1
	float *probability, *loss; // [places][classes], [places]
	int64_t batch;          // places of a step; dropout's row is at % batch
	const float *alpha, *decay; // [steps], what Adam multiplies with
	uint32_t time;          // optimizer steps taken before the first
	float *states;          // where a step has phases: of each of its blocks, the working memory, C's
	int64_t state;          // floats of one
	double *sums;           // [blocks of a step][net->sums], C's
} vk_job;

// vk_run is what threads share.
typedef struct {
	vk_job *jobs;
	int64_t models;
	int64_t steps;          // the most of any job
	int64_t phases;         // of a step
	int32_t train;          // 0: only evaluate the blocks
	int32_t update;         // 0: leave the gradient summed in lane 0
	int32_t threads;
	int64_t done;           // steps ended
	const int32_t *stop;    // set from outside, perhaps after the run has ended: end after the current step
	int64_t *count;         // counts steps for others, who may read it after the run has ended; or NULL
	_Alignas(64) int32_t arrived; // threads at the barrier
	int32_t asleep;         // threads that wait for turn without spinning
	_Alignas(64) uint32_t turn; // counts barriers
	_Alignas(64) int64_t next[2];
} vk_run;

// vk_isa is what the kernels offer for one instruction set.
typedef struct {
	const char *name;
	int32_t vl;             // floats in a vector
	int32_t ok;             // this machine has it
	int64_t (*scratch)(const vk_net *, int64_t rows, int train); // floats that a thread needs for a block
	// gradient runs phase by phase; first is the step's first block.
	void (*gradient)(const vk_job *, int64_t first, int64_t blocks, int64_t block, int64_t phase, uint32_t time, float *g, int add, float *scratch);
	void (*move)(vk_net *, const double *sums, int64_t blocks); // the moving moments
	void (*infer)(const vk_net *, const vk_job *, int64_t block, float *scratch);
	void (*sum)(vk_net *, int64_t lanes, int64_t part, int64_t parts);
	void (*norms)(vk_net *); // finds scale, of the gradient that sum left
	void (*update)(vk_net *, int64_t lanes, float alpha, float decay, int64_t part, int64_t parts);
	void (*derive)(vk_net *, int64_t part, int64_t parts); // the forms of p that products need
	void (*activate)(int which, const float *x, float *y, int64_t n); // 0 sigmoid, 1 tanh: for tests
	double (*peak)(int64_t rounds);  // runs 2*rounds*that many floating-point operations on registers alone
} vk_isa;

const vk_isa *vk_isa_get(int i); // best first; NULL after the last
void vk_work(const vk_isa *, vk_run *, int32_t thread, float *scratch);
#endif
