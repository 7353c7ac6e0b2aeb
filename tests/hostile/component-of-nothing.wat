;; Is a component that exports nothing.
;;
;; request: load
;; status: 400
;; error: airlock:engine/backend

(component
)
