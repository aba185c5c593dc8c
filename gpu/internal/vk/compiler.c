//go:build cgo

// A device that only compiles, to ask its driver's compiler what it made of a kernel: VK_KHR_pipeline_executable_properties.
#include <stdlib.h>
#include <string.h>
#include "shim.h"

enum {
	ST_EXECUTABLE_FEATURES = 1000269000, ST_PIPELINE_INFO = 1000269001, ST_EXECUTABLE_PROPERTIES = 1000269002, ST_EXECUTABLE_INFO = 1000269003,
	ST_EXECUTABLE_STATISTIC = 1000269004, ST_WAVE_PROPERTIES = 1000225000, ST_WAVE_REQUIRED = 1000225001, ST_WAVE_FEATURES = 1000225002,
};
enum { VARYING_SUBGROUP_SIZE = 1, FULL_SUBGROUPS = 2 };
enum { STAGE_COMPUTE = 0x20, CAPTURE_STATISTICS = 0x40, MAX_EXECUTABLES = 8, MAX_FIGURES = 96, MAX_EXTENSIONS = 32 };

typedef struct { uint32_t sType; void *pNext; uint32_t enabled; } ExecutableFeatures;
typedef struct { uint32_t sType; void *pNext; uint32_t control, full; } WaveFeatures;
typedef struct { uint32_t sType; void *pNext; uint32_t least, most, groups, stages; } WaveProperties;
typedef struct { uint32_t sType; const void *pNext; uint32_t size; } WaveRequired;
typedef struct { uint32_t sType; const void *pNext; object pipeline; } PipelineInfo;
typedef struct { uint32_t sType; const void *pNext; object pipeline; uint32_t index; } ExecutableInfo;
typedef struct { uint32_t sType; void *pNext; uint32_t stages; char name[256], description[256]; uint32_t subgroup; } ExecutableProperties;
typedef struct { uint32_t sType; void *pNext; char name[256], description[256]; uint32_t format; union { uint32_t b32; int64_t i64; uint64_t u64; double f64; } value; } ExecutableStatistic;

GetProcAddr shim_instance_proc(void);  // instance.c

int32_t shim_can_count(handle instance, handle physical, CanCount *can) {
	memset(can, 0, sizeof *can);
	int32_t (*extensions)(handle, const char *, uint32_t *, ExtensionProperties *) = (int32_t (*)(handle, const char *, uint32_t *, ExtensionProperties *))shim_instance_proc()(instance, "vkEnumerateDeviceExtensionProperties");
	void (*properties)(handle, Properties2 *) = (void (*)(handle, Properties2 *))shim_instance_proc()(instance, "vkGetPhysicalDeviceProperties2");
	if (!extensions || !properties) return -3;
	uint32_t n = 0, sizes = 0;
	int32_t r = extensions(physical, NULL, &n, NULL);
	ExtensionProperties *all = calloc(n + 1, sizeof *all);
	if (!all) return -1;
	if (!r) r = extensions(physical, NULL, &n, all);
	for (uint32_t i = 0; r >= 0 && i < n; i++) {
		can->statistics |= !strcmp(all[i].name, "VK_KHR_pipeline_executable_properties");
		sizes |= !strcmp(all[i].name, "VK_EXT_subgroup_size_control");
	}
	free(all);
	if (r < 0) return r;
	if (!sizes) return 0;
	WaveProperties subgroup = {.sType = ST_WAVE_PROPERTIES};
	Properties2 asked = {.sType = ST_PROPERTIES_2, .pNext = &subgroup};
	properties(physical, &asked);
	if (subgroup.stages & STAGE_COMPUTE) can->leastSubgroup = subgroup.least, can->mostSubgroup = subgroup.most;
	return 0;
}

// Counting is a device's create info with what counting needs on top of it.
typedef struct {
	DeviceCreateInfo info;
	ExecutableFeatures executable;
	WaveFeatures subgroup;
	const char *extensions[MAX_EXTENSIONS];
} Counting;

static int listed(const DeviceCreateInfo *info, const char *extension) {
	for (uint32_t i = 0; i < info->extensions; i++)
		if (!strcmp(info->extension[i], extension)) return 1;
	return 0;
}

void *shim_counting_info(const void *device, const CanCount *can) {
	const DeviceCreateInfo *base = device;
	Counting *c = calloc(1, sizeof *c);
	if (!c || base->extensions + 2 > MAX_EXTENSIONS) {
		free(c);
		return NULL;
	}
	c->info = *base;
	c->info.extension = c->extensions;
	for (uint32_t i = 0; i < base->extensions; i++) c->extensions[i] = base->extension[i];
	c->executable = (ExecutableFeatures){ST_EXECUTABLE_FEATURES, (void *)base->pNext, 1};
	c->extensions[c->info.extensions++] = "VK_KHR_pipeline_executable_properties";
	c->info.pNext = &c->executable;
	if (can->mostSubgroup && !listed(base, "VK_EXT_subgroup_size_control")) {  // else its feature is chained too
		c->subgroup = (WaveFeatures){ST_WAVE_FEATURES, &c->executable, 1, 0};
		c->extensions[c->info.extensions++] = "VK_EXT_subgroup_size_control";
		c->info.pNext = &c->subgroup;
	}
	return c;
}

int32_t shim_count(handle instance, handle device, const CountedKernel *k, Figures *out) {
	GetProcAddr proc = (GetProcAddr)shim_instance_proc()(instance, "vkGetDeviceProcAddr");
#define LOAD(name, arguments) int32_t (*name) arguments = proc ? (int32_t (*) arguments)proc(device, "vk" #name) : NULL
#define LOAD_VOID(name) void (*name)(handle, object, const void *) = proc ? (void (*)(handle, object, const void *))proc(device, "vk" #name) : NULL
	LOAD(CreateShaderModule, (handle, const ShaderModuleCreateInfo *, const void *, object *));
	LOAD(CreateComputePipelines, (handle, object, uint32_t, const ComputePipelineCreateInfo *, const void *, object *));
	LOAD(GetPipelineExecutablePropertiesKHR, (handle, const PipelineInfo *, uint32_t *, ExecutableProperties *));
	LOAD(GetPipelineExecutableStatisticsKHR, (handle, const ExecutableInfo *, uint32_t *, ExecutableStatistic *));
	LOAD_VOID(DestroyShaderModule);
	LOAD_VOID(DestroyPipeline);
	memset(out, 0, sizeof *out);
	if (!CreateShaderModule || !CreateComputePipelines || !GetPipelineExecutablePropertiesKHR || !GetPipelineExecutableStatisticsKHR || !DestroyShaderModule || !DestroyPipeline) return -7;

	object module = 0, pipeline = 0;
	ShaderModuleCreateInfo source = {.sType = ST_SHADER_MODULE_CREATE_INFO, .bytes = k->bytes, .code = k->code};
	SpecializationMapEntry *entry = calloc(k->constantCount + 1, sizeof *entry);
	ExecutableStatistic *figure = calloc(MAX_FIGURES, sizeof *figure);
	int32_t r = entry && figure ? CreateShaderModule(device, &source, NULL, &module) : -1;
	if (!r) {
		for (uint32_t i = 0; i < k->constantCount; i++) entry[i] = (SpecializationMapEntry){i, 4 * i, 4};
		SpecializationInfo special = {k->constantCount, entry, 4 * (size_t)k->constantCount, k->constants};
		WaveRequired size = {ST_WAVE_REQUIRED, NULL, k->subgroup};
		ComputePipelineCreateInfo info = {.sType = ST_COMPUTE_PIPELINE_CREATE_INFO, .flags = CAPTURE_STATISTICS, .layout = k->layout, .baseIndex = -1,
			.stage = {.sType = ST_SHADER_STAGE_CREATE_INFO, .pNext = k->subgroup ? &size : NULL, .stage = STAGE_COMPUTE, .module = module, .entry = "main",
				.specialization = k->constantCount ? &special : NULL}};
		if (k->full) info.stage.flags = k->subgroup ? FULL_SUBGROUPS : FULL_SUBGROUPS | VARYING_SUBGROUP_SIZE;  // as shim_pipeline has it; a size that is required cannot vary
		r = CreateComputePipelines(device, 0, 1, &info, NULL, &pipeline);
	}
	ExecutableProperties executable[MAX_EXECUTABLES];
	uint32_t executables = MAX_EXECUTABLES;
	for (uint32_t e = 0; e < MAX_EXECUTABLES; e++) executable[e] = (ExecutableProperties){.sType = ST_EXECUTABLE_PROPERTIES};
	PipelineInfo asked = {ST_PIPELINE_INFO, NULL, pipeline};
	if (!r) r = GetPipelineExecutablePropertiesKHR(device, &asked, &executables, executable);
	for (uint32_t e = 0; r >= 0 && e < executables; e++) {
		uint32_t n = MAX_FIGURES;
		for (uint32_t i = 0; i < n; i++) figure[i] = (ExecutableStatistic){.sType = ST_EXECUTABLE_STATISTIC};
		ExecutableInfo one = {ST_EXECUTABLE_INFO, NULL, pipeline, e};
		if ((r = GetPipelineExecutableStatisticsKHR(device, &one, &n, figure)) < 0) break;
		for (uint32_t i = 0; i < n && out->count < sizeof out->figure / sizeof *out->figure; i++) {
			Figure *f = &out->figure[out->count++];
			memcpy(f->executable, executable[e].name, 255), memcpy(f->name, figure[i].name, 255), memcpy(f->description, figure[i].description, 255);
			f->subgroup = executable[e].subgroup;
			switch (figure[i].format) {
			case 0: f->value = figure[i].value.b32; break;
			case 1: f->value = (double)figure[i].value.i64; break;
			case 2: f->value = (double)figure[i].value.u64; break;
			default: f->value = figure[i].value.f64;
			}
		}
	}
	if (pipeline) DestroyPipeline(device, pipeline, NULL);
	if (module) DestroyShaderModule(device, module, NULL);
	free(entry), free(figure);
	return r < 0 ? r : 0;
}
