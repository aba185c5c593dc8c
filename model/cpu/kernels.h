// The CPU engine's kernels: LSTM layers of one or both directions, dropout, a relu layer and a sigmoid output, in float32.
//
// Every array is memory of C, 64 bytes aligned, but for what a struct says is the caller's. Sizes are padded: H to
// whole vectors, D to whole vectors; the padding's parameters are 0 and stay 0.
#ifndef VKLSTM_KERNELS_H
#define VKLSTM_KERNELS_H
#include <stdint.h>

#define VK_LAYERS 16 // the most LSTM layers of a network
#define VK_VARIABLES (3 * 2 * VK_LAYERS + 4) // the most variables: recurrent_kernel, kernel and bias of each direction, then the head's four

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

// vk_layer is one LSTM layer. It puts out the units of both directions side by side, and the layer after takes them in.
typedef struct {
	int64_t directions;     // 2: direction[1] goes from the last step to the first
	int64_t in, H, out;     // what comes in; units of a direction; of all: padded, but for the first layer's features
	int64_t K, KA, J;       // rows of a panel; K padded; panels
	vk_direction direction[2];
} vk_layer;

// vk_net is one model. Its parameters, moments and gradients lie alike: the panels of each direction, layer by layer, and then
// from head on dense/kernel [out][D], dense/bias [D], dense_1/kernel [D], dense_1/bias [VL, the first counts].
typedef struct {
	int64_t F, D, T;        // features; dense units, padded; timesteps
	int64_t layers, out, units; // LSTM layers; what the last puts out; its units in a direction, not padded
	int64_t head, np;       // see above; parameters, padding included
	float *p, *m, *v;       // [np]
	float *kt;              // dense/kernel transposed, [D][out]
	float *grad;            // [lanes][np]
	int64_t lanes;          // gradients that a step's blocks are summed into, in fixed order
	const float *offset, *factor; // scaling [F]
	int32_t focal;          // 1: focal loss, 0: binary crossentropy
	double alpha, gamma;
	uint32_t key[2], threshold; // dropout: philox key, and what a draw must not be below; threshold 0: none
	float keep;             // scale of what is kept
	int32_t adam;           // 1: Adam, 0: SGD
	float b1, b2, epsilon;  // 1-beta1, 1-beta2
	float l2;               // times p, it is added to the gradient of kernels; 0: none
	double clip, global_clip; // L2 norms; 0: none
	float scale[VK_VARIABLES]; // what clipping multiplies the gradient of each variable with in this step
	vk_layer layer[VK_LAYERS];
} vk_net;

// vk_data are windows in the caller's memory. A step of x is used when any feature is neither 0 nor NaN; of augmented
// windows, which are scaled already, when any feature is not NaN. NaN becomes 0.
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
	float *probability, *loss; // [places]
	int64_t batch;          // places of a step; dropout's row is at % batch
	const float *alpha, *decay; // [steps], what Adam multiplies with
	uint32_t time;          // optimizer steps taken before the first
} vk_job;

// vk_run is what threads share.
typedef struct {
	vk_job *jobs;
	int64_t models;
	int64_t steps;          // the most of any job
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
	void (*gradient)(const vk_net *, const vk_job *, int64_t block, double scale, uint32_t time, float *g, int add, float *scratch);
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
