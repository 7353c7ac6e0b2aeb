;; Has a memory with addresses of 64 bits.
;;
;; request: load
;; status: 400
;; error: memory64 must be enabled

;; beside the module:
(core module
  (memory i64 1))
