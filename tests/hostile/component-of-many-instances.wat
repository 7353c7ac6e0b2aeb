;; Is made of 900 instances of one module more than it needs.
;;
;; request: load
;; status: 400
;; error: core module instances, which exceeds

;; beside the module:
(core module $module)
@{900 (core instance (instantiate $module))}
