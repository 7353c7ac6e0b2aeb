;; Has 900 instances of one module that it does not need.
;;
;; request: load
;; status: 400
;; error: core module instances, which exceeds

;; beside the module:
(core module $module)
@{900 (core instance (instantiate $module))}
