#version 450
// quad: works in quads.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    x[i] += subgroupQuadSwapDiagonal(x[i]) * subgroupQuadBroadcast(x[i], 2u);
}
