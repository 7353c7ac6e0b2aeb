;; Is made of 1,000 instances of one module.
;;
;; request: load
;; status: 400
;; error: guest

(component
(core module $m)
@{1000 (core instance (instantiate $m))}
)
