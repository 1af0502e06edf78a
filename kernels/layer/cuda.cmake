# The CUDA rows of the layer operations' tables; included where CUDA was found.
target_sources(assay_layer PRIVATE norm_cuda.cpp)
assay_cuda_sources(assay_layer norm_cuda.cu)
