// How a training window is moved before it is scaled: a shift by whole steps, a factor for all values, a rotation of sensor triplets.
// model/augment is the same in Go, bit for bit, hence precise, and tables in place of sines. The kernel declares before it
//   T                        push constant: steps of a window
//   options[]                options[K][OPTIONS]
//   turns[]                  AXES unit vectors, 3 floats each; then ANGLES angles of each model: sin, 1 − cos
#ifndef MOVE_GLSL
#define MOVE_GLSL

const uint AXES = 4096u, ANGLES = 256u;

struct Move {
    bool on;      // false: the others say that nothing moves
    int shift;    // cell t comes from step t − shift
    float factor;
    uint turning; // this many features turn with their triplets
    uint axis;    // where turns has the axis
    uint angle;   // where turns has the angle
};

// How the window is moved in model k's epoch.
Move moveOf(uint k, uint window, bool train) {
    uint o = k * OPTIONS;
    Move m = Move(false, 0, 1.0, 0u, 0u, 0u);
    if (!train || options[o + MOVE_BELOW] == 0u) return m;
    uvec4 draw = philox(uvec4(0u, window, options[o + EPOCH], STREAM_MOVE), uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]));
    if (draw.x >> 8 >= options[o + MOVE_BELOW]) return m;
    m.on = true;
    precise float reach = uintBitsToFloat(options[o + SHIFT]) * float(T);
    uint most = uint(reach), high, low;
    umulExtended(draw.y, 2u * most + 1u, high, low);
    m.shift = int(high) - int(most);
    precise float uniform01 = float(draw.z >> 8) * 5.9604644775390625e-8; // 2⁻²⁴
    precise float twice = 2.0 * uniform01 - 1.0;                          // exact
    precise float change = uintBitsToFloat(options[o + MAGNITUDE]) * twice;
    precise float factor = 1.0 + change;
    m.factor = factor;
    m.turning = options[o + TURNING];
    m.axis = 3u * (draw.w >> 20);
    m.angle = 3u * AXES + 2u * (k * ANGLES + (draw.w >> 12 & ANGLES - 1u));
    return m;
}

// Row i of the rotation I + sin θ·K + (1 − cos θ)·K², K·v = axis × v (Rodrigues), from the element on the diagonal on.
vec3 turnRow(Move m, uint i) {
    precise float a = turns[m.axis + i], b = turns[m.axis + (i + 1u) % 3u], c = turns[m.axis + (i + 2u) % 3u];
    precise float sine = turns[m.angle], versine = turns[m.angle + 1u];
    precise float part = versine * a;
    precise float bb = b * b, cc = c * c;
    precise float across = bb + cc;
    precise float less = versine * across;
    precise float diagonal = 1.0 - less;
    precise float ab = part * b, ac = part * c, sb = sine * b, sc = sine * c;
    precise float next = ab - sc, last = ac + sb;
    return vec3(diagonal, next, last);
}

// The component that the row stands for of a turned vector, whose components come in the row's order.
float turned(vec3 row, float a, float b, float c) {
    precise float ra = row.x * a, rb = row.y * b, rc = row.z * c;
    precise float sum = ra + rb;
    precise float value = sum + rc;
    return value;
}

#endif
