// The gradient with the L2 penalty's, 2·L2·p of a kernel's parameter, as model.Optimizer.Step has it; precise, so that the norm is
// that of the gradient which the update takes. The kernel declares before it
//   options[K][OPTIONS]
//   starts[V + 1]      where each variable begins in a model's parameters, and the end of the last; with MATRIX for a kernel
#ifndef PENALTY_GLSL
#define PENALTY_GLSL

const uint TWICE_L2 = 31u;       // word of options, a float: times a kernel's parameter, it is added to its gradient
const uint MATRIX = 0x80000000u; // of a word of starts: the variable is a kernel and no bias

// Where variable v begins; V: the end of the last.
uint start(uint v) { return starts[v] & ~MATRIX; }

// What variable v of a model, whose options begin at o, has its parameters multiplied with.
float penalty(uint v, uint o) {
    float twice = uintBitsToFloat(options[o + TWICE_L2]);
    return (starts[v] & MATRIX) != 0u ? twice : 0.0;
}

// The gradient g of parameter p with its penalty. 0 leaves g as it is, also where p is not finite.
float penalised(float g, float p, float penalty) {
    precise float sum = g + penalty * p;
    return penalty > 0.0 ? sum : g;
}

#endif
