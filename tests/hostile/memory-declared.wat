;; Declares 1 GiB of memory from the start.
;;
;; request: load
;; status: 400
;; error: --memory-mib

(memory $memory 16384)
