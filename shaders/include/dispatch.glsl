// A thread's place in a dispatch. The host folds a large number of workgroups into x and y, since a device may allow only
// 65,535 in one dimension, and rounds it up: each kernel compares its index with its bound and leaves when it is past it.
#ifndef DISPATCH_GLSL
#define DISPATCH_GLSL

// The workgroup's number, 0, 1, … in rows.
uint groupIndex() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }

// The thread's number over all workgroups. Below the n of Threads(n) each value comes exactly once. All dimensions of the
// size count, so that a workgroup of more than one works too. A macro, since glslang takes gl_WorkGroupSize for 1 in a
// function that stands before the shader's layout(local_size_x = …) line, without a word.
#define threadIndex() (groupIndex() * (gl_WorkGroupSize.x * gl_WorkGroupSize.y * gl_WorkGroupSize.z) + gl_LocalInvocationIndex)

#endif
