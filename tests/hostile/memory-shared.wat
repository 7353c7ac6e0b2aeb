;; Has a memory that threads share.
;;
;; request: load
;; status: 400
;; error: threads must be enabled

;; beside the module:
(core module
  (memory 1 1 shared))
