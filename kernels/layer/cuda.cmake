# The CUDA rows of the layer operations' tables; included where CUDA was found.
target_sources(assay_layer PRIVATE cuda/adamw.cpp cuda/columns.cpp cuda/cross_entropy.cpp cuda/elementwise.cpp cuda/embedding.cpp
               cuda/grad_norm.cpp cuda/norm.cpp cuda/norm_rows.cpp cuda/permute.cpp cuda/rope.cpp cuda/router.cpp)
assay_cuda_sources(assay_layer cuda/adamw.cu cuda/columns.cu cuda/cross_entropy.cu cuda/elementwise.cu cuda/embedding.cu
                   cuda/grad_norm.cu cuda/norm_backward.cu cuda/norm_forward.cu cuda/permute.cu cuda/rope.cu
                   cuda/router.cu)
