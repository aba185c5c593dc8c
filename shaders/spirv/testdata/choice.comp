#version 450
// choice: takes lanes as far away as constants say, in branches and in a loop.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_quad : require
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint LANES = 4u;
layout(constant_id = 1) const uint FAR = 0u;
layout(binding = 0) buffer XBuf { float x[]; };

float both(float v) {
    for (uint i = 0u; i < 4u; i++) {
        if (!(LANES * 2u < 24u)) v += subgroupShuffleXor(v, 8u);
        else if (!(LANES == 4u)) v += subgroupShuffleXor(v, 4u);
    }
    return subgroupQuadSwapHorizontal(v);
}

void main() {
    uint i = gl_LocalInvocationIndex;
    float v = both(x[i]);
    if (FAR != 0u && LANES != 0u) {
        if (x[i] > 0.0) v += subgroupShuffle(v, 31u);
    }
    x[i] = v;
}
