// Words of options[K][OPTIONS] and schedule[S][K][SCHEDULE]. Floats are stored by their bits.
#ifndef OPTIONS_GLSL
#define OPTIONS_GLSL

const uint OPTIONS = 32u;           // words of a model
const uint KEY_LOW = 0u;            // key of all draws
const uint KEY_HIGH = 1u;
const uint EPOCH = 2u;
const uint VARY_BELOW = 3u;         // a window is varied when word>>8 is below
const uint WARP = 4u;               // float: the time factor is uniform in 1 ± warp
const uint NOISE = 5u;              // float: standard deviation
const uint DROP_BELOW = 6u;         // a cell goes missing when word>>8 is below
const uint DROPOUT_BELOW = 7u;      // a unit is dropped when word>>8 is below
const uint DROPOUT_SCALE = 8u;      // float: 1/(1 − rate)
const uint LOSS_KIND = 9u;          // LOSS_…
const uint FOCAL_ALPHA = 10u;       // float
const uint FOCAL_GAMMA = 11u;       // float
const uint ONE_MINUS_BETA1 = 12u;   // float
const uint ONE_MINUS_BETA2 = 13u;   // float
const uint EPSILON = 14u;           // float
const uint CLIPNORM = 15u;          // float, of each variable's gradient; 0: not
const uint GLOBAL_CLIPNORM = 16u;   // float, of all gradients together; 0: not
const uint LABEL_SMOOTHING = 17u;   // float: share of the target that all classes have alike
const uint MOVE_BELOW = 24u;        // a window is moved when word>>8 is below; 0: none is
const uint SHIFT = 25u;             // float: share of the steps that a window is shifted by at most
const uint MAGNITUDE = 26u;         // float: the factor is uniform in 1 ± magnitude
const uint TURNING = 27u;           // features that turn with their triplets

const uint LOSS_CROSSENTROPY = 0u;
const uint LOSS_FOCAL = 1u;

const uint SCHEDULE = 4u;           // words of a model's step
const uint ALPHA = 0u;              // float: factor of the step, bias correction included
const uint DECAY = 1u;              // float: share of each parameter that decays
const uint INVERSE_BATCH = 2u;      // float: 1/batch size; 0: the model takes no step
const uint TIME = 3u;               // optimizer step from 0

const uint NO_WINDOW = 0xFFFFFFFFu; // in order_window: this place of the batch is empty

#endif
