// Resampling of one feature of a window from T points to m and back, linear between its valid cells, constant beyond the first and
// the last. model/augment is the same in Go, bit for bit, hence precise, and a table in place of divisions. The kernel declares
// before it
//   T                        push constant: steps of a window
//   reciprocal[]             1/i
//   bool absent(uint t)      whether the feature has no cell at step t
//   float cell(uint t)       the feature's cell at step t, where it has one
#ifndef TIME_WARP_GLSL
#define TIME_WARP_GLSL

// Point j of m: the value at time j·(T − 1)/(m − 1).
float point(uint j, uint m) {
    uint q = j * (T - 1u) / (m - 1u), rest = j * (T - 1u) % (m - 1u);
    int lo = int(q), hi = rest == 0u ? lo : lo + 1, end = int(T);
    while (lo >= 0 && absent(uint(lo))) lo--;
    while (hi < end && absent(uint(hi))) hi++;
    precise float a = cell(uint(lo < 0 ? hi : lo));
    if (lo < 0 || hi >= end || lo == hi) return a;
    precise float b = cell(uint(hi));
    precise float part = float(rest) * reciprocal[m - 1u];
    precise float past = float(int(q) - lo) + part;
    precise float share = past * reciprocal[hi - lo];
    precise float change = (b - a) * share;
    precise float value = a + change;
    return value;
}

// How many points ⌊T·w⌋ a time warp makes, where the random word sets w uniform in 1 ± warp. Below 2 there is none.
uint warpPoints(uint word, float warp) {
    precise float uniform01 = float(word >> 8) * 5.9604644775390625e-8; // 2⁻²⁴
    precise float twice = 2.0 * uniform01 - 1.0;                        // exact
    precise float change = warp * twice;
    precise float w = 1.0 + change;
    precise float points = float(T) * w;
    return uint(points);
}

// The feature's value at step t after the way to m ≥ 2 points and back, for T ≥ 2. Its cell there is not missing.
float warped(uint t, uint m) {
    uint q = t * (m - 1u) / (T - 1u), rest = t * (m - 1u) % (T - 1u);
    precise float here = point(q, m);
    if (rest != 0u) {
        precise float share = float(rest) * reciprocal[T - 1u];
        precise float step = (point(q + 1u, m) - here) * share;
        here = here + step;
    }
    return here;
}

#endif
