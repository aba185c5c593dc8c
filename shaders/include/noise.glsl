// Noise on one cell, as model/augment has it, bit for bit. The kernel declares before it
//   quantile[32768]          upper half of the normal distribution
#ifndef NOISE_GLSL
#define NOISE_GLSL

// The cell's value plus σ times what the random word stands for, kept within the bounds.
uint noisy(uint bits, uint word, float sigma, float low, float high) {
    precise float z = quantile[word >> 16 & 32767u];
    precise float change = sigma * (word >> 31 != 0u ? -z : z);
    precise float v = uintBitsToFloat(bits) + change;
    v = v < high ? v : high;
    v = v > low ? v : low;
    return floatBitsToUint(v);
}

#endif
