// The optimizers' steps, as model.Optimizer.Step has them; precise, so that every kernel that takes one takes the same. The kernel
// declares before it
//   options[K][OPTIONS], schedule[S][K][SCHEDULE]
#ifndef OPTIMIZER_GLSL
#define OPTIMIZER_GLSL

// The parameter p after a step of Adam with gradient g; the moments first and second move too. o is where the model's options
// begin, s where its step's schedule does.
//   p −= p·decay   first += (g − first)(1 − β1)   second += (g² − second)(1 − β2)   p −= α·first/(√second + ε)
float adamStep(float p, float g, inout float first, inout float second, uint o, uint s) {
    precise float m = first + (g - first) * uintBitsToFloat(options[o + ONE_MINUS_BETA1]);
    precise float v = second + (g * g - second) * uintBitsToFloat(options[o + ONE_MINUS_BETA2]);
    precise float decayed = p - p * uintBitsToFloat(schedule[s + DECAY]);
    precise float moved = decayed - uintBitsToFloat(schedule[s + ALPHA]) * m / (sqrt(v) + uintBitsToFloat(options[o + EPSILON]));
    first = m;
    second = v;
    return moved;
}

// The parameter p after a step against gradient g: p −= p·decay + α·g.
float sgdStep(float p, float g, uint s) {
    precise float moved = p - p * uintBitsToFloat(schedule[s + DECAY]) - uintBitsToFloat(schedule[s + ALPHA]) * g;
    return moved;
}

#endif
